"""3-D positions of faces from aligned depth images and camera intrinsics.

A face box holds more than the face: the wall behind, a hand in front, holes without depth. A plain median falls onto
the wall as soon as half of the box shows it; here the face is the densest 20 cm of depths.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from affect_perception.core.images.compressed import Buffer
from affect_perception.core.stamp_buffer import StampBuffer
from affect_perception.errors import BadInputError
from affect_perception.types import NAN3, Box, Depth, Intrinsics, TrackedFrame

NEAREST_M, FARTHEST_M = 0.1, 20.0  # depths beyond are sensor errors (65.535 m is 16 bits of "none")
INNER = 0.7  # diameter of the ellipse of depths used, as a share of the box: no hair, no ears, little background
RELIEF_M = 0.2  # a face from nose to ears, with the noise of a stereo camera
LARGEST_FACE_M = 0.3  # depths at which the box would be wider than this are background
FEWEST_SHARE, FEWEST_PIXELS = 0.1, 9  # of the ellipse, with valid depth; below them the position is NaN
_SAMPLES = 4000  # pixels used of a large face
_KEPT = 5  # depth images buffered
_ENCODINGS = {'16UC1': ('u2', 0.001), 'mono16': ('u2', 0.001), '32FC1': ('f4', 1.0)}  # type, metres per unit
_SAME_SHAPE = 0.01  # relative difference of aspect ratios from which two images cannot be aligned


def to_depth(
    stamp_ns: int, data: Buffer, width: int, height: int, step: int, encoding: str, is_bigendian: bool = False
) -> Depth:
    """Depth image of the fields of a sensor_msgs/Image (REP 118): 16UC1 (or mono16) in mm, 32FC1 in m; not copied.

    Raises BadInputError `depth` for other encodings and for fields that contradict each other.
    """
    if encoding not in _ENCODINGS:
        raise BadInputError('depth', f'no depth encoding {encoding!r}; supported: {", ".join(_ENCODINGS)}')
    kind, unit_m = _ENCODINGS[encoding]
    dtype = np.dtype(('>' if is_bigendian else '<') + kind)
    used, size = width * dtype.itemsize, memoryview(data).nbytes
    if width < 1 or height < 1 or step < used or step * height != size:
        raise BadInputError('depth', f'{encoding} of {width}x{height}, step {step} does not fit {size} bytes')
    rows = np.frombuffer(data, np.uint8).reshape(height, step)[:, :used]
    if step % dtype.itemsize:
        rows = np.ascontiguousarray(rows)
    return Depth(stamp_ns, rows.view(dtype), unit_m)


def face_depth(values_m: np.ndarray, background_m: float = math.inf) -> float:
    """Depth of the face in m from `values_m`, (N,) valid depths inside its box; NaN when there are none.

    Median of the densest `RELIEF_M` of depths. Of two about as dense, the nearer one is taken: a surface behind the
    face may be as large as the face, one in front is not, or the face would not have been detected. If 30 % are nearer
    than `background_m`, only those count.
    """
    values = np.sort(values_m)
    if len(values) == 0:
        return math.nan
    front = int(np.searchsorted(values, background_m))
    if front >= 0.3 * len(values):
        values = values[:front]
    # Number of depths from each one to RELIEF_M beyond.
    inside = np.searchsorted(values, values + RELIEF_M, 'right') - np.arange(len(values))
    first = int(np.argmax(inside >= 0.7 * inside.max()))
    best = first + int(np.argmax(inside[first : first + inside[first]]))
    return float(np.median(values[best : best + inside[best]]))


def face_position(
    box: Box, image_size: tuple[int, int], depth: Depth, intrinsics: Intrinsics
) -> tuple[float, float, float]:
    """Position (x right, y down, z forward) of the face centre in m in the optical frame (REP 103); NaN without depth.

    `box` is in pixels of an image of `image_size` (width, height) to which `depth` is aligned; depth and intrinsics may
    be of another resolution of the same image. BadInputError `depth` or `camera_info` for another aspect ratio.
    """
    camera = intrinsics.scaled(*image_size)
    inner = _inner_depths(box, image_size, depth)
    valid = inner[(inner >= NEAREST_M) & (inner <= FARTHEST_M)]  # false for NaN too
    if len(valid) < max(FEWEST_SHARE * len(inner), min(FEWEST_PIXELS, len(inner)), 1):
        return NAN3
    z = face_depth(valid, LARGEST_FACE_M * camera.fx / max(box.width, 1.0))
    # Box edges lie between pixels; the principal point is counted from the centre of the first pixel.
    x, y = _ray(box.centre[0] - 0.5, box.centre[1] - 0.5, camera)
    return x * z, y * z, z


def _inner_depths(box: Box, image_size: tuple[int, int], depth: Depth) -> np.ndarray:
    """(N,) float32 depths in m in the inner ellipse of `box`, as far as inside the image; invalid ones included."""
    height, width = depth.values.shape
    by_x, by_y = width / image_size[0], height / image_size[1]
    if abs(by_x / by_y - 1) > _SAME_SHAPE:
        raise BadInputError(
            'depth',
            f'depth of {width}x{height} is not aligned to an image of {image_size[0]}x{image_size[1]}; '
            'wanted the topic of depth aligned to colour',
        )
    x, y = box.centre[0] * by_x, box.centre[1] * by_y
    half_x, half_y = max(INNER * box.width * by_x / 2, 0.5), max(INNER * box.height * by_y / 2, 0.5)
    if not all(map(math.isfinite, (x, y, half_x, half_y))):
        return np.empty(0, np.float32)
    stride = max(1, int(math.sqrt(math.pi * half_x * half_y / _SAMPLES)))
    left, top = max(math.floor(x - half_x), 0), max(math.floor(y - half_y), 0)
    right, bottom = max(math.ceil(x + half_x), 0), max(math.ceil(y + half_y), 0)
    part = depth.values[top:bottom:stride, left:right:stride]
    across = (left + 0.5 - x + stride * np.arange(part.shape[1])) / half_x
    down = (top + 0.5 - y + stride * np.arange(part.shape[0])) / half_y
    inside = part[across[None] ** 2 + down[:, None] ** 2 <= 1]
    depths: np.ndarray = inside.astype(np.float32) * np.float32(depth.unit_m)
    return depths


def _ray(u: float, v: float, camera: Intrinsics) -> tuple[float, float]:
    """(x, y) at z = 1 of the viewing ray through pixel (u, v), undistorted."""
    if not any(camera.distortion):
        return (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    x, y = cv2.undistortPoints(np.array([[[u, v]]]), matrix, np.array(camera.distortion))[0, 0]
    return float(x), float(y)


class Locator:
    """Positions of tracks from buffered depth images and intrinsics. Non-blocking.

    The depth image nearest in time within `slop_s` is used; without one the positions stay NaN. `put` and setting
    `intrinsics` are safe while another thread is in `locate`.
    """

    def __init__(self, slop_s: float) -> None:
        self.intrinsics: Intrinsics | None = None
        self._depths = StampBuffer[Depth](_KEPT, round(slop_s * 1e9))

    def put(self, depth: Depth) -> None:
        """Buffer a depth image; stamps that go back (a bag that restarts) empty the buffer first."""
        self._depths.put(depth.stamp_ns, depth)

    def nearest(self, stamp_ns: int) -> Depth | None:
        """Depth image nearest to `stamp_ns`, within `slop_s`; None if there is none."""
        return self._depths.find(stamp_ns)

    def locate(self, tracked: TrackedFrame) -> TrackedFrame:
        """Copy of `tracked` with positions; BadInputError `camera_info` or `depth` for depth that cannot be used."""
        depth, intrinsics = self.nearest(tracked.stamp_ns), self.intrinsics
        if depth is None:
            return tracked
        if intrinsics is None:
            raise BadInputError('camera_info', 'depth has arrived, but no camera_info; positions need both')
        size = tracked.image_width, tracked.image_height
        tracks = [replace(t, position=face_position(t.box, size, depth, intrinsics)) for t in tracked.tracks]
        return replace(tracked, tracks=tuple(tracks))
