"""Compressed images (JPEG, PNG, …): size from the header, completeness check, decoding, splitting of JPEG streams."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from affect_perception.errors import BadInputError

Buffer = Any  # bytes, bytearray, memoryview, array.array or numpy: no common type before Python 3.12
LARGEST = (7680, 4320)  # px
SMALLEST = 2  # px per side; one pixel is half a chroma sample
LARGEST_JPEG = 64 * 2**20  # bytes without an end, after which a stream is searched for the next image

_PNG = b'\x89PNG\r\n\x1a\n'
_START, _END = b'\xff\xd8\xff', b'\xff\xd9'
_SCAN = 0xDA  # marker before the compressed data, in which FF is only followed by 0, restarts or the next marker
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 without DHT, JPG, DAC


def decode_compressed(data: Buffer, image_format: str = '') -> np.ndarray:
    """Decode a JPEG, PNG or other image file in memory to (H, W, 3) uint8 RGB; EXIF orientation is applied.

    `image_format` is the field of sensor_msgs/CompressedImage (`jpeg`, `png`, `rgb8; jpeg compressed bgr8`). It only
    serves to reject depth and to name the image; the decoder goes by the data. Raises BadInputError `compressed` or
    `size`.
    """
    if 'compressedDepth' in image_format:
        raise BadInputError('compressed', f'format {image_format!r} is depth; wanted jpeg or png')
    data = bytes(memoryview(data))
    named = f'{image_format or "compressed"} image of {len(data)} bytes'
    size = header_size(data)
    if size is not None:
        check_size(*size)
    if data.startswith(_START) and jpeg_end(data) is None:
        raise BadInputError('compressed', f'{named} is truncated or damaged: the end of the JPEG is missing')
    if data.startswith(_PNG) and b'IEND' not in data:
        raise BadInputError('compressed', f'{named} is truncated: the end of the PNG is missing')
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        bgr = None
    if bgr is None:
        raise BadInputError('compressed', f'{named} cannot be decoded; wanted a JPEG or PNG that is not damaged')
    check_size(bgr.shape[1], bgr.shape[0])
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def check_size(width: int, height: int) -> None:
    """Raise BadInputError `size` unless the image is from 2×2 to 7680×4320 px (or 4320×7680)."""
    if width < SMALLEST or height < SMALLEST:
        raise BadInputError('size', f'an image of {width}x{height} is too small; wanted {SMALLEST}x{SMALLEST} or more')
    if max(width, height) > LARGEST[0] or min(width, height) > LARGEST[1]:
        raise BadInputError(
            'size', f'an image of {width}x{height} is too large; wanted {LARGEST[0]}x{LARGEST[1]} or less'
        )


def header_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) from the header of a JPEG or PNG, before any EXIF rotation; None for other formats."""
    if data.startswith(_PNG) and len(data) >= 24:
        width, height = struct.unpack('>II', data[16:24])
        return width, height
    for marker, at, _ in _segments(data, 0):
        if marker in _SIZE_MARKERS and at + 9 <= len(data):
            height, width = struct.unpack('>HH', data[at + 5 : at + 9])
            return width, height
    return None


def jpeg_end(data: bytes, start: int = 0) -> int | None:
    """Index after the last byte of the JPEG that begins at `start`, thumbnails skipped; None while the end is missing.

    Raises BadInputError `compressed` for damage that hides the end.
    """
    for marker, _, scan in _segments(data, start):
        if marker == _SCAN:
            end = data.find(_END, scan)
            if 0 <= data.find(_START, scan) < (end if end >= 0 else len(data)):
                raise BadInputError('compressed', 'a JPEG is damaged: the next one begins before its end')
            return None if end < 0 else end + 2
    return None


def _segments(data: bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """(marker, index of the marker, index after its segment) up to and including the start of the scan."""
    at = start + 2
    if data[start:at] != _START[:2]:
        return
    while at + 4 <= len(data):
        marker, length = data[at + 1], struct.unpack('>H', data[at + 2 : at + 4])[0]
        if data[at] == 0xFF and marker == 0xFF:  # a fill byte
            at += 1
            continue
        if data[at] != 0xFF or length < 2:
            raise BadInputError('compressed', f'a JPEG is damaged at byte {at - start} of its header')
        yield marker, at, at + 2 + length
        if marker == _SCAN:
            return
        at += 2 + length


class JpegSplitter:
    """Splitter of a byte stream into JPEG images; bytes between images are dropped."""

    def __init__(self) -> None:
        self._buffer = b''

    def feed(self, data: bytes) -> list[bytes]:
        """Append bytes; returns the images completed by them, a damaged one as a fragment that no decoder accepts."""
        self._buffer += data
        found: list[bytes] = []
        while (start := self._buffer.find(_START)) >= 0:
            try:
                end = jpeg_end(self._buffer, start)
            except BadInputError:
                end = start + 2
            if end is None and len(self._buffer) - start > LARGEST_JPEG:
                end = start + 2
            if end is None:
                self._buffer = self._buffer[start:]
                return found
            found.append(self._buffer[start:end])
            self._buffer = self._buffer[end:]
        self._buffer = self._buffer[-2:]
        return found
