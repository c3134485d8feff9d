"""Layout of the stage: positions of people in the room, mirrored and seen from behind the camera.

A camera image shows near people far apart and distant people close together. The stage corrects that: the position in
metres comes from depth, else from the width of the face (`FACE_M`), and is projected again from a viewpoint `BACK_M`
behind the camera and `UP_M` above it. Distant people are smaller and higher.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from affect_perception.types import Affect, Intrinsics

FACE_M = 0.16  # breadth of a head: ISO 7250 gives 14 to 17 cm
NEAREST_M, FARTHEST_M = 0.2, 12.0
BACK_M, UP_M = 0.3, 0.25
_EMOJI = 1.9  # size of an emoji relative to the face, to be seen from across a room
_SMALLEST, _LARGEST = 0.07, 0.42
_RISE = 0.2  # upward shift, share of the stage height; compensates UP_M


@dataclass(frozen=True)
class StagePosition:
    """Position of a person: `x` (from the left), `y` (from the top) relative to the stage, `size` to its height."""

    x: float
    y: float
    size: float
    distance_m: float


def position_m(face: Affect, camera: Intrinsics) -> tuple[float, float, float]:
    """Position in metres in the optical frame (x right, y down, z forward), by depth, else by the size of the face."""
    if all(map(math.isfinite, face.position)) and face.position[2] > 0:
        return face.position
    u, v = face.box.centre
    z = camera.fx * FACE_M / max(face.box.width, 1.0)
    z = min(max(z, NEAREST_M), FARTHEST_M)
    return (u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z


def stage_position(face: Affect, camera: Intrinsics) -> StagePosition:
    """Mirrored position of `face`, always inside the stage."""
    x_m, y_m, z_m = position_m(face, camera)
    away = max(z_m, NEAREST_M) + BACK_M
    half_width, half_height = camera.width / 2 / camera.fx, camera.height / 2 / camera.fy
    x = 0.5 - x_m / away / half_width / 2
    y = 0.5 - _RISE + (y_m + UP_M) / away / half_height / 2
    size = _EMOJI * FACE_M / away / half_height / 2
    return StagePosition(
        _clipped(x, 0.03, 0.97), _clipped(y, 0.1, 0.9), _clipped(size, _SMALLEST, _LARGEST), distance_m=z_m
    )


def _clipped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
