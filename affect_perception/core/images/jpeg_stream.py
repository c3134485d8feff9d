"""End of a JPEG in a byte stream, and the splitter of a stream into JPEG images. Each byte is searched once."""

from __future__ import annotations

from affect_perception.core.images.image_headers import JPEG_SCAN, JPEG_START, jpeg_segments, segments_from
from affect_perception.errors import BadInputError

LARGEST_JPEG = 64 * 2**20  # bytes without an end, after which a stream is searched for the next image

_END = b'\xff\xd9'


def jpeg_end(data: bytes, start: int = 0) -> int | None:
    """Index after the last byte of the JPEG that begins at `start`, thumbnails skipped; None while the end is missing.

    Raises BadInputError `compressed` for damage that hides the end.
    """
    scan = next((after for marker, _, after in jpeg_segments(data, start) if marker == JPEG_SCAN), None)
    return None if scan is None else _scan_end(data, scan, scan)


def _scan_end(data: bytes | bytearray, scan: int, searched: int) -> int | None:
    """Index after the end marker, looked for from `searched` on; BadInputError if another JPEG begins before it."""
    end = data.find(_END, max(scan, searched))
    if data.find(JPEG_START, max(scan, searched), end + 2 if end >= 0 else len(data)) >= 0:
        raise BadInputError('compressed', 'a JPEG is damaged: the next one begins before its end')
    return None if end < 0 else end + 2


class JpegSplitter:
    """Splitter of a byte stream into JPEG images; bytes between images are dropped.

    The cost is linear in the bytes, however small the pieces: the place reached in the image under way is kept.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()  # begins with the image under way, if there is one
        self._segment = 0  # index of the next segment of its header; 0 between two images
        self._scan: int | None = None  # index of its compressed data, once its header is complete
        self._searched = 0  # index up to which its end was looked for

    def feed(self, data: bytes) -> list[bytes]:
        """Append bytes; returns the images completed by them, and a fragment that no decoder accepts for damage."""
        buffer = self._buffer
        buffer += data
        found: list[bytes] = []
        damaged = False
        while True:
            if not self._segment:
                start = buffer.find(JPEG_START)
                del buffer[: start if start >= 0 else max(len(buffer) - 2, 0)]
                if start < 0:
                    return found
                self._segment = 2
            try:
                end = self._end()
            except BadInputError:
                end = 2
            if end is None:
                return found
            if end > 2 or not damaged:  # damage that goes on is told once
                found.append(bytes(buffer[:end]))
            damaged = end == 2
            del buffer[:end]
            self._segment, self._scan, self._searched = 0, None, 0

    def _end(self) -> int | None:
        """Index after the image under way; None while it is incomplete, BadInputError if it is damaged."""
        buffer = self._buffer
        if len(buffer) > LARGEST_JPEG:
            raise BadInputError('compressed', f'a JPEG is longer than {LARGEST_JPEG >> 20} MB')
        if self._scan is None:
            for marker, _, after in segments_from(buffer, self._segment):
                self._segment = after
                self._scan = after if marker == JPEG_SCAN else None
        end = None if self._scan is None else _scan_end(buffer, self._scan, self._searched)
        self._searched = max(len(buffer) - 2, 0)
        return end
