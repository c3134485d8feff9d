"""Compressed pictures: their size before they are decoded, whether they are whole, and the decoding."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from affect_perception.core.encodings import check_size
from affect_perception.errors import BadInputError

LARGEST_JPEG = 64 * 2**20  # bytes without an end, after which a stream is searched for the next picture

_PNG = b'\x89PNG\r\n\x1a\n'
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 without DHT, JPG, DAC
_BARE_MARKERS = frozenset(range(0xD0, 0xD8)) | {0x01}  # RSTn and TEM carry no length


def decode_compressed(data, format: str = '') -> np.ndarray:
    """A JPEG, PNG or other picture file in memory as (H, W, 3) uint8 RGB; EXIF orientation is honoured.

    `format` is that of sensor_msgs/CompressedImage (`jpeg`, `png`, `rgb8; jpeg compressed bgr8`); it only serves to
    refuse what is no picture, the data itself tells the rest. Raises BadInputError `compressed` or `size`.
    """
    if 'compressedDepth' in format:
        raise BadInputError('compressed', f'format {format!r} is depth, no picture; wanted jpeg or png')
    data = np.frombuffer(data, np.uint8)
    named = f'{format or "compressed"} picture of {data.size} bytes'
    head = data.tobytes()
    size = picture_size(head)
    if size is not None:
        check_size(*size)
    if head.startswith(b'\xff\xd8') and jpeg_end(head) is None:
        raise BadInputError('compressed', f'{named} is cut off or damaged: the end of the JPEG is missing')
    if head.startswith(_PNG) and b'IEND' not in head[-64:]:
        raise BadInputError('compressed', f'{named} is cut off: the end of the PNG is missing')
    try:
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        bgr = None
    if bgr is None:
        raise BadInputError('compressed', f'{named} cannot be decoded; it is no picture, or damaged')
    check_size(bgr.shape[1], bgr.shape[0])
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def picture_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) that the header of a JPEG or PNG tells, before any EXIF turn; None for others."""
    if data.startswith(_PNG) and len(data) >= 24:
        return struct.unpack('>II', data[16:24])
    for marker, at, _ in _segments(data):
        if marker in _SIZE_MARKERS and at + 9 <= len(data):
            height, width = struct.unpack('>HH', data[at + 5 : at + 9])
            return width, height
    return None


def jpeg_end(data: bytes, start: int = 0) -> int | None:
    """Where the JPEG that begins at `start` ends (exclusive), skipping thumbnails; None while its end is missing."""
    for marker, _, after in _segments(data, start):
        if marker == 0xDA:  # compressed data until a marker that is neither a stuffed zero nor a restart
            end = data.find(b'\xff\xd9', after)
            return None if end < 0 else end + 2
    return None


def _segments(data: bytes, start: int = 0):
    """(marker, where it stands, where the next one stands) up to and including the start of the scan."""
    at = start + 2
    if data[start:at] != b'\xff\xd8':
        return
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        after = at + 2
        if marker not in _BARE_MARKERS:
            after += struct.unpack('>H', data[at + 2 : at + 4])[0]
        yield marker, at, after
        if marker == 0xDA:
            return
        at = after


class JpegSplitter:
    """Cuts a stream of bytes into JPEG pictures; what stands between them is dropped."""

    def __init__(self):
        self._buffer = b''

    def feed(self, data: bytes) -> list[bytes]:
        """The pictures that these bytes complete, (possibly damaged) JPEGs each."""
        self._buffer += data
        found = []
        while True:
            start = self._buffer.find(b'\xff\xd8\xff')
            if start < 0:
                self._buffer = self._buffer[-2:]
                return found
            end = jpeg_end(self._buffer, start)
            if end is None:
                late = len(self._buffer) - start > LARGEST_JPEG
                self._buffer = self._buffer[start + 2 if late else start :]
                if not late:
                    return found
            else:
                found.append(self._buffer[start:end])
                self._buffer = self._buffer[end:]
