"""Decoded frames of PyAV to RGB as a player shows them: deinterlaced, at display size and upright."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from affect_perception.core.images.bit_depth import deep_to_eight_bits
from affect_perception.core.images.image_headers import check_size
from affect_perception.sources.container import library

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_ASPECT = (Fraction(1, 8), Fraction(8))  # of a pixel; beyond, a header is damaged
_SAME_ASPECT = 0.004  # relative; rounding of sizes in headers
_ROTATION = struct.Struct('<9i')


class PictureConverter:
    """Converts the frames of one track; `push` each decoded one, then None at the end.

    Interlaced frames go through FFmpeg's bwdif, which gives one frame for each, one frame late. Pixels that are not
    square are stretched to the display width, and the rotation and mirroring of the container are applied. Grey and
    colour values of 16 bits follow the rule of `core/images/bit_depth.py`.
    """

    def __init__(self, track: VideoStream) -> None:
        self._track = track
        self._graph: Any = None
        self._graph_of: tuple[int, int, str] | None = None

    def push(self, frame: VideoFrame | None) -> Iterator[tuple[VideoFrame, np.ndarray]]:
        """Yield (frame, RGB) for every frame that is ready, in order. Raises BadInputError for an unusable size."""
        for ready in self._deinterlaced(frame):
            yield ready, self.to_rgb(ready)

    def to_rgb(self, frame: VideoFrame) -> np.ndarray:
        """(H, W, 3) uint8 RGB of one frame, at display size and upright."""
        width, height = self._display_size(frame)
        check_size(frame.width, frame.height)
        check_size(width, height)
        return upright(_pixels(frame, width, height), _orientation(frame))

    def _display_size(self, frame: VideoFrame) -> tuple[int, int]:
        aspect = self._track.sample_aspect_ratio
        if not aspect or not _ASPECT[0] <= aspect <= _ASPECT[1] or abs(aspect - 1) < _SAME_ASPECT:
            return frame.width, frame.height
        return max(round(frame.width * aspect), 1), frame.height

    def _deinterlaced(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        if frame is None:
            yield from self._flushed()
            return
        kind = (frame.width, frame.height, frame.format.name)
        if self._graph is not None and kind != self._graph_of:
            yield from self._flushed()
        if self._graph is None:
            if not frame.interlaced_frame:
                yield frame
                return
            self._graph, self._graph_of = self._make_graph(frame), kind
        self._graph.vpush(frame)
        yield from self._pulled()

    def _make_graph(self, frame: VideoFrame) -> Any:
        av = library()
        graph = av.filter.Graph()
        graph.threads = 1
        start = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=self._track.time_base
        )
        filters = (start, graph.add('bwdif', 'mode=send_frame:deint=interlaced'), graph.add('buffersink'))
        graph.link_nodes(*filters).configure()
        return graph

    def _flushed(self) -> Iterator[VideoFrame]:
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pulled()
            self._graph = None

    def _pulled(self) -> Iterator[VideoFrame]:
        av = library()
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def _pixels(frame: VideoFrame, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 RGB in the orientation of the file; a view of the converted frame."""
    name = frame.format.name
    if name.startswith('gray16'):
        grey = deep_to_eight_bits(frame.to_ndarray(format='gray16le'))
        rgb = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        return rgb if rgb.shape[:2] == (height, width) else cv2.resize(rgb, (width, height))
    if name.startswith(('rgb48', 'bgr48', 'rgba64', 'bgra64')):
        rgb = deep_to_eight_bits(frame.to_ndarray(format='rgb48le'))
        return rgb if rgb.shape[:2] == (height, width) else cv2.resize(rgb, (width, height))
    converted = frame.reformat(width=width, height=height, format='rgb24')
    plane = converted.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * height].reshape(height, plane.line_size)
    return rows[:, : width * 3].reshape(height, width, 3)


def _orientation(frame: VideoFrame) -> tuple[int, int, int, int] | None:
    """(a, b, c, d) of the display matrix, of a frame that has one: x' = a·x + c·y, y' = b·x + d·y."""
    matrix: Any = frame.side_data.get('DISPLAYMATRIX')
    if matrix is None:
        return None
    values = _ROTATION.unpack(bytes(memoryview(matrix))[: _ROTATION.size])
    return values[0], values[1], values[3], values[4]


def upright(rgb: np.ndarray, matrix: tuple[int, int, int, int] | None) -> np.ndarray:
    """Turn and mirror an image (H, W, 3) by a display matrix, to the nearest quarter turn."""
    if matrix is None:
        return rgb
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        across, down = a < 0, d < 0
    else:
        rgb, across, down = cv2.transpose(rgb), c < 0, b < 0
    if not (across or down):
        return rgb
    return cv2.flip(rgb, -1 if across and down else 1 if across else 0)
