"""Where on the stage a person stands: the real place, seen as in a mirror by somebody a step behind the camera.

A camera shows people on the sides of the near part of a room far apart and those at the back close together. The stage
undoes that: the place in metres comes from the depth, or else from the width of the face (`FACE_M`), and is projected
again from a viewpoint `BACK_M` behind the camera and `UP_M` above it. Whoever is further away is smaller and higher.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from affect_perception.core.display.markers import assumed_camera
from affect_perception.types import Affect, Intrinsics

FACE_M = 0.16  # breadth of a head: ISO 7250 gives 14 to 17 cm
NEAREST_M, FARTHEST_M = 0.2, 12.0
BACK_M, UP_M = 0.3, 0.25
_EMOJI = 1.9  # an emoji is this much larger than the face, to be seen from across a room
_SMALLEST, _LARGEST = 0.07, 0.42
_RISE = 0.2  # moves the middle of the stage up again, by about what UP_M takes


@dataclass(frozen=True)
class Place:
    """`x` (from the left) and `y` (from the top) as shares of the stage, `size` as a share of its height."""

    x: float
    y: float
    size: float
    distance_m: float


def whereabouts(face: Affect, camera: Intrinsics) -> tuple[float, float, float]:
    """Metres in the optical frame (x right, y down, z ahead), by depth if known, else by the size of the face."""
    if all(map(math.isfinite, face.position)) and face.position[2] > 0:
        return face.position
    u, v = face.box.centre
    z = camera.fx * FACE_M / max(face.box.width, 1.0)
    z = min(max(z, NEAREST_M), FARTHEST_M)
    return (u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z


def place(face: Affect, camera: Intrinsics) -> Place:
    """The mirrored place of `face`, always inside the stage."""
    x_m, y_m, z_m = whereabouts(face, camera)
    away = max(z_m, NEAREST_M) + BACK_M
    half_width, half_height = camera.width / 2 / camera.fx, camera.height / 2 / camera.fy
    x = 0.5 - x_m / away / half_width / 2
    y = 0.5 - _RISE + (y_m + UP_M) / away / half_height / 2
    size = _EMOJI * FACE_M / away / half_height / 2
    return Place(_within(x, 0.03, 0.97), _within(y, 0.1, 0.9), _within(size, _SMALLEST, _LARGEST), z_m)


def camera_of(size: tuple[int, int], view_deg: float) -> Intrinsics:
    """The camera taken for pictures of `size` (width, height in px) with a horizontal field of view of `view_deg`."""
    return assumed_camera(*size, view_deg)


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
