"""Format and size of an image file from its header, and its cost limits; nothing is decompressed.

Decoders allocate what a header asks for. Hence every length, size and number of scans is checked here first.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from affect_perception.errors import BadInputError

LARGEST = (7680, 4320)  # px
SMALLEST = 2  # px per side; one pixel is half a chroma sample
STREAMED = ('jpeg', 'png')  # formats of topics and streams
FILES = (*STREAMED, 'bmp', 'pnm', 'tiff', 'webp')  # formats of image files
HEIF = 'avif or heif'

JPEG_START = b'\xff\xd8\xff'
JPEG_SCAN = 0xDA  # marker before the compressed data, in which FF is only followed by 0, restarts or the next marker
PNG_START = b'\x89PNG\r\n\x1a\n'
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 without DHT, JPG, DAC
_APP1 = 0xE1
_BASELINE = (0xC0, 0xC1)  # decoded row by row if there is one scan; otherwise all coefficients are kept
_COEFFICIENTS = 200_000_000  # bytes of coefficients of a progressive JPEG: 7680x4320 in full chroma
_SCANS = 40  # of a JPEG; progressive encoders write about 10, and each costs a pass over the image
_FILL = 64  # bytes FF before a marker of a JPEG
_CHUNKS = 65536  # of a PNG; encoders write one for 8 kB or more
_PNG_NEEDED = frozenset((b'IHDR', b'PLTE', b'IDAT', b'IEND', b'tRNS', b'eXIf', b'gAMA', b'sRGB', b'cHRM', b'sBIT'))
_PNM = re.compile(rb'P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s')
_TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TIFF_SIDES = {256: 'width', 257: 'height', 322: 'tile width', 323: 'tile height'}
_TIFF_TAGS = 200  # of one image; cameras write about 30
_HEIF_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'mif1', b'mif2', b'avif')  # single images
_OTHERS = {
    b'\0\0\0\x0cjP  ': 'jpeg 2000',
    b'\xff\x4f\xff\x51': 'jpeg 2000',
    b'v/1\x01': 'openexr',
    b'#?': 'radiance hdr',
    b'\x59\xa6\x6a\x95': 'sun raster',
    b'P7': 'pam',
    b'\xff\x0a': 'jpeg xl',
}


@dataclass(frozen=True)
class ImageHeader:
    """Format (`jpeg`, `png`, …; '' for none that is known) and (width, height) in px, before any EXIF rotation.

    `plain`: False for a JPEG that may be rotated (EXIF) or has four components (CMYK).
    """

    format: str
    size: tuple[int, int] | None = None
    plain: bool = True


def check_size(width: int, height: int) -> None:
    """Raise BadInputError `size` unless the image is from 2×2 to 7680×4320 px (or 4320×7680)."""
    if width < SMALLEST or height < SMALLEST:
        raise BadInputError('size', f'an image of {width}x{height} is too small; wanted {SMALLEST}x{SMALLEST} or more')
    if max(width, height) > LARGEST[0] or min(width, height) > LARGEST[1]:
        raise BadInputError(
            'size', f'an image of {width}x{height} is too large; wanted {LARGEST[0]}x{LARGEST[1]} or less'
        )


def read_header(data: bytes) -> ImageHeader:
    """Format and size of an image file in memory.

    Raises BadInputError `compressed` for a damaged header and for one that asks for far more work than its pixels.
    """
    try:
        if data.startswith(PNG_START):
            return ImageHeader('png', struct.unpack_from('>II', data, 16))
        if data.startswith(JPEG_START[:2]):
            return _jpeg_header(data)
        if data.startswith(b'RIFF') and data[8:12] == b'WEBP':
            return ImageHeader('webp', _webp_size(data))
        if data.startswith(b'GIF8'):
            return ImageHeader('gif', struct.unpack_from('<HH', data, 6))
        if data.startswith(b'BM'):
            return ImageHeader('bmp', _bmp_size(data))
        if data[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
            return ImageHeader('tiff', _tiff_size(data))
        if match := re.match(
            rb'P[1-6](?:\s|#[^\n]{0,1000}\n)+(\d{1,9})(?:\s|#[^\n]{0,1000}\n)+(\d{1,9})\s', data[:4096]
        ):
            return ImageHeader('pnm', (int(match[1]), int(match[2])))
    except (struct.error, IndexError):
        raise BadInputError('compressed', f'an image of {len(data)} bytes is cut off in its header') from None
    if data[4:8] == b'ftyp' and data[8:12] in _HEIF_BRANDS:
        return ImageHeader(HEIF)
    return ImageHeader(next((name for start, name in _OTHERS.items() if data.startswith(start)), ''))


def check_png(data: bytes) -> bytes:
    """Walk the chunks of a PNG; returns it without the chunks that no pixel depends on (text, profiles, animation).

    Raises BadInputError `compressed` for a chunk longer than the file, a wrong checksum and a missing end.
    """
    kept, at, whole = [data[:8]], 8, True
    for _ in range(_CHUNKS):
        if at + 12 > len(data):
            raise BadInputError('compressed', f'a PNG of {len(data)} bytes is truncated: its end is missing')
        length, kind = struct.unpack_from('>I4s', data, at)
        end = at + 12 + length
        if end > len(data):
            text = f'a PNG of {len(data)} bytes is truncated or damaged: a chunk of {length} bytes begins at byte {at}'
            raise BadInputError('compressed', text)
        if kind in _PNG_NEEDED:
            if zlib.crc32(data[at + 4 : end - 4]) != struct.unpack_from('>I', data, end - 4)[0]:
                text = f'a PNG of {len(data)} bytes is damaged: the checksum of a chunk at byte {at} is wrong'
                raise BadInputError('compressed', text)
            kept.append(data[at:end])
        else:
            whole = False
        if kind == b'IEND':
            return data if whole else b''.join(kept)
        at = end
    raise BadInputError('compressed', f'a PNG has more than {_CHUNKS} chunks')


def jpeg_segments(data: bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """(marker, index of the marker, index after its segment) of the JPEG at `start`, as `segments_from`."""
    return segments_from(data, start + 2) if data[start : start + 2] == JPEG_START[:2] else iter(())


def segments_from(data: bytes | bytearray, at: int) -> Iterator[tuple[int, int, int]]:
    """(marker, index of the marker, index after its segment) from the marker at `at` to the start of the scan.

    Raises BadInputError `compressed` where no marker is.
    """
    fill = 0
    while at + 4 <= len(data):
        marker, length = data[at + 1], struct.unpack_from('>H', data, at + 2)[0]
        if data[at] == 0xFF and marker == 0xFF and fill < _FILL:
            at, fill = at + 1, fill + 1
            continue
        if data[at] != 0xFF or marker == 0xFF or length < 2:
            raise BadInputError('compressed', f'a JPEG is damaged at byte {at} of its header')
        yield marker, at, at + 2 + length
        if marker == JPEG_SCAN:
            return
        at, fill = at + 2 + length, 0


def _jpeg_header(data: bytes) -> ImageHeader:
    size, coefficients, kept, plain = None, 0, False, True
    for marker, at, after in jpeg_segments(data, 0):
        if marker in _SIZE_MARKERS and size is None:
            height, width, count = struct.unpack_from('>HHB', data, at + 5)
            sampling = [data[at + 11 + 3 * i] for i in range(min(count, 5))]
            if count not in (1, 3, 4):
                raise BadInputError('compressed', f'a JPEG has {count} components; wanted 1, 3 or 4')
            across, down = max(s >> 4 for s in sampling), max(s & 15 for s in sampling)
            share = sum((s >> 4) * (s & 15) for s in sampling) / max(across * down, 1)
            plain &= count < 4
            size, coefficients, kept = (width, height), round(2 * width * height * share), marker not in _BASELINE
        plain &= not (marker == _APP1 and data[at + 4 : at + 8] == b'Exif')
        if marker == JPEG_SCAN:
            scans = 1 + data.count(b'\xff\xda', after)
            if scans > _SCANS:
                raise BadInputError('compressed', f'a JPEG has {scans} scans; wanted {_SCANS} or fewer')
            if (kept or scans > 1) and coefficients > _COEFFICIENTS:
                raise BadInputError('size', f'a progressive JPEG of {size} needs {coefficients >> 20} MB to decode')
    return ImageHeader('jpeg', size, plain)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b'VP8X':
        if data[20] & 2:
            raise BadInputError('compressed', 'an animated WebP is no image; wanted a single image')
        return 1 + int.from_bytes(data[24:27], 'little'), 1 + int.from_bytes(data[27:30], 'little')
    if kind == b'VP8L':
        bits = struct.unpack_from('<I', data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b'VP8 ':
        width, height = struct.unpack_from('<HH', data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise BadInputError('compressed', 'a WebP is damaged: there is no image in it')


def _bmp_size(data: bytes) -> tuple[int, int]:
    if struct.unpack_from('<I', data, 14)[0] < 16:
        return struct.unpack_from('<HH', data, 18)
    width, height = struct.unpack_from('<ii', data, 18)
    return abs(width), abs(height)


def _tiff_size(data: bytes) -> tuple[int, int]:
    order, large = '<' if data[:2] == b'II' else '>', data[2:4] in (b'+\0', b'\0+')
    at = struct.unpack_from(order + ('Q' if large else 'I'), data, 8 if large else 4)[0]
    count = struct.unpack_from(order + ('Q' if large else 'H'), data, at)[0] if at < len(data) else 0
    if not 0 < count <= _TIFF_TAGS:
        raise BadInputError('compressed', f'a TIFF has {count} tags; wanted 1 to {_TIFF_TAGS}')
    sides: dict[int, int] = {}
    samples, bits, entry = 1, 1, 20 if large else 12
    for index in range(count):
        place = at + (8 if large else 2) + index * entry
        tag, kind, length = struct.unpack_from(order + ('HHQ' if large else 'HHI'), data, place)
        if length * _TIFF_BYTES.get(kind, 1) > len(data):
            raise BadInputError('compressed', f'a TIFF of {len(data)} bytes is damaged: tag {tag} has {length} values')
        width = {1: 'B', 3: 'H', 4: 'I', 16: 'Q'}.get(kind)
        if width is None or tag not in {*_TIFF_SIDES, 258, 277}:
            continue
        value_at = place + entry - (8 if large else 4)
        if length * _TIFF_BYTES[kind] > (8 if large else 4):  # bits of each sample lie elsewhere
            value_at = struct.unpack_from(order + ('Q' if large else 'I'), data, value_at)[0]
        value = struct.unpack_from(order + width, data, value_at)[0]
        if tag in _TIFF_SIDES:
            sides[tag] = value
        samples, bits = (value if tag == 277 else samples), (value if tag == 258 else bits)
    if samples > 4 or bits > 16:
        raise BadInputError('compressed', f'a TIFF of {samples} samples of {bits} bits; wanted up to 4 of up to 16')
    size = sides.get(256, 0), sides.get(257, 0)
    if any(sides.get(tag, 0) > LARGEST[0] for tag in (322, 323)):
        raise BadInputError(
            'size', f'a TIFF has tiles of {sides.get(322)}x{sides.get(323)}; wanted {LARGEST[0]} or less'
        )
    return size
