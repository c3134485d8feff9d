"""Compressed pictures: their size before they are decoded, whether they are whole, and the decoding."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from affect_perception.errors import BadInputError

LARGEST = (7680, 4320)  # px
SMALLEST = 2  # px per side; one pixel is no picture, and half a chroma sample
LARGEST_JPEG = 64 * 2**20  # bytes without an end, after which a stream is searched for the next picture

_PNG = b'\x89PNG\r\n\x1a\n'
_START, _END = b'\xff\xd8\xff', b'\xff\xd9'
_SCAN = 0xDA  # marker before the compressed data, in which FF is only followed by 0, restarts or the next marker
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 without DHT, JPG, DAC


def decode_compressed(data, format: str = '') -> np.ndarray:
    """A JPEG, PNG or other picture file in memory as (H, W, 3) uint8 RGB; EXIF orientation is honoured.

    `format` is that of sensor_msgs/CompressedImage (`jpeg`, `png`, `rgb8; jpeg compressed bgr8`); it only serves to
    refuse what is no picture, the data itself tells the rest. Raises BadInputError `compressed` or `size`.
    """
    if 'compressedDepth' in format:
        raise BadInputError('compressed', f'format {format!r} is depth, no picture; wanted jpeg or png')
    data = bytes(memoryview(data))
    named = f'{format or "compressed"} picture of {len(data)} bytes'
    size = picture_size(data)
    if size is not None:
        check_size(*size)
    if data.startswith(_START) and jpeg_end(data) is None:
        raise BadInputError('compressed', f'{named} is cut off or damaged: the end of the JPEG is missing')
    if data.startswith(_PNG) and b'IEND' not in data:
        raise BadInputError('compressed', f'{named} is cut off: the end of the PNG is missing')
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        bgr = None
    if bgr is None:
        raise BadInputError('compressed', f'{named} cannot be decoded; it is no picture, or damaged')
    check_size(bgr.shape[1], bgr.shape[0])
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def check_size(width: int, height: int) -> None:
    """Raises BadInputError `size` unless the picture is from 2×2 to 7680×4320 px (or the same upright)."""
    if width < SMALLEST or height < SMALLEST:
        raise BadInputError('size', f'a picture of {width}x{height} is too small; wanted {SMALLEST}x{SMALLEST} or more')
    if max(width, height) > LARGEST[0] or min(width, height) > LARGEST[1]:
        raise BadInputError(
            'size', f'a picture of {width}x{height} is too large; wanted {LARGEST[0]}x{LARGEST[1]} or less'
        )


def picture_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) that the header of a JPEG or PNG tells, before any EXIF turn; None for others."""
    if data.startswith(_PNG) and len(data) >= 24:
        return struct.unpack('>II', data[16:24])
    for marker, at, _ in _segments(data, 0):
        if marker in _SIZE_MARKERS and at + 9 <= len(data):
            height, width = struct.unpack('>HH', data[at + 5 : at + 9])
            return width, height
    return None


def jpeg_end(data: bytes, start: int = 0) -> int | None:
    """Where the JPEG that begins at `start` ends (exclusive), skipping thumbnails; None while its end is missing.

    Raises BadInputError `compressed` if it is damaged such that its end cannot be found.
    """
    for marker, _, scan in _segments(data, start):
        if marker == _SCAN:
            end = data.find(_END, scan)
            if 0 <= data.find(_START, scan) < (end if end >= 0 else len(data)):
                raise BadInputError('compressed', 'a JPEG is damaged: the next one begins before its end')
            return None if end < 0 else end + 2
    return None


def _segments(data: bytes, start: int):
    """(marker, where it stands, where its segment ends) up to and including the start of the scan, or of the data."""
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
    """Cuts a stream of bytes into JPEG pictures; what stands between them is dropped."""

    def __init__(self):
        self._buffer = b''

    def feed(self, data: bytes) -> list[bytes]:
        """The pictures that these bytes complete; a damaged one as a stump, which no decoder takes."""
        self._buffer += data
        found = []
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
