"""Graded smiles of a portrait: soften the smile of one photograph, or morph between two.

Both work on canonical portraits (see `portraits`): the face box has a side of `side` px and its centre is at `centre`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

_NO_MAP: Any = None  # optional array argument of OpenCV, whose types lack None


@dataclass(frozen=True)
class Mouth:
    """An open, smiling mouth; lengths in face boxes, measured from the centre of the face box (x right, y down).

    `upper` and `lower` are the sag of the edges of the opening below the line between the corners, `closed` is the
    distance below that line at which the lips meet without a smile.
    """

    x: float
    y: float
    half_width: float
    slope: float
    upper: float
    lower: float
    closed: float


ASTRONAUT_MOUTH = Mouth(x=0.0416, y=0.162, half_width=0.2237, slope=0.029, upper=0.034, lower=0.098, closed=0.058)


def soften_smile(rgb: np.ndarray, centre: tuple[float, float], side: float, mouth: Mouth, smile: float) -> np.ndarray:
    """`rgb` (H, W, C) with its smile reduced to `smile` in [0, 1]: corners down and inwards, lips closing.

    A smooth warp around the mouth, discontinuous only where the lips slide over the teeth. The line where the lips meet
    is darkened a little, since the photograph has none.
    """
    rest = 1.0 - smile
    if rest <= 0:
        return rgb
    y, x = np.mgrid[0 : rgb.shape[0], 0 : rgb.shape[1]].astype(np.float32)
    x, y = (x - centre[0]) / side - mouth.x, (y - centre[1]) / side - mouth.y
    y = y - mouth.slope * x

    sag = np.clip(1 - (x * (1 + 0.28 * rest) / mouth.half_width) ** 2, 0, 1)
    upper, lower = mouth.upper * sag, mouth.lower * sag  # edges of the opening in the photograph
    line = mouth.closed + 0.006 * (1 - sag)
    new_upper, new_lower = upper + rest * (line - upper), lower + rest * (line - lower)  # and in the result
    outside = np.maximum(np.abs(x) / mouth.half_width - 1, 0)
    fade = np.exp(-((outside / 0.8) ** 2))
    above, below = np.maximum(new_upper - y, 0), np.maximum(y - new_lower, 0)
    shift_above = (upper - new_upper) * np.exp(-((above / 0.15) ** 2))
    shift_below = (lower - new_lower) * np.exp(-((below / 0.2) ** 2))
    # Between the lips the teeth stay where they are, seen from the upper lip.
    dy = np.where(y > new_lower, shift_below, np.where(y < new_upper, shift_above, upper - new_upper)) * fade
    near = np.exp(-((np.hypot(x / 0.37, (y - 0.06) / 0.22)) ** 2))
    dx = 0.28 * rest * x * near
    map_x = (x + dx + mouth.x) * side + centre[0]
    map_y = (y + dy + mouth.slope * (x + dx) + mouth.y) * side + centre[1]
    result = cv2.remap(rgb, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seam = np.exp(-(((y - line) / 0.008) ** 2)) * np.clip(sag * 3, 0, 1) * rest**2
    return np.uint8(result * (1 - 0.5 * seam[..., None]) + 0.5)


def lip_line(rgba: np.ndarray, centre: tuple[float, float], side: float) -> float:
    """y of the line between the closed lips, in face boxes below the centre: the darkest row where a mouth may be."""
    grey = cv2.GaussianBlur(cv2.cvtColor(rgba[..., :3].copy(), cv2.COLOR_RGB2GRAY), (0, 0), side / 100)
    top, bottom = (round(centre[1] + y * side) for y in (0.16, 0.34))
    left, right = (round(centre[0] + x * side) for x in (-0.1, 0.1))
    rows = grey[top:bottom, left:right].mean(1)
    return (top + int(rows.argmin()) - centre[1]) / side


def open_mouth(rgba: np.ndarray, centre: tuple[float, float], side: float, lips: float, opening: float) -> np.ndarray:
    """Copy of `rgba` (H, W, 4), the mouth open by `opening` in [0, 1]: lower lip and chin down, darkness between."""
    y, x = np.mgrid[0 : rgba.shape[0], 0 : rgba.shape[1]].astype(np.float32)
    x, y = (x - centre[0]) / side, (y - centre[1]) / side - lips
    gap = 0.11 * opening * np.sqrt(np.clip(1 - (x / 0.15) ** 2, 0, 1))
    below = np.maximum(y - gap, 0)
    cheeks = 0.066 * opening * np.exp(-((x / 0.3) ** 4)) * np.clip(y / 0.08, 0, 1)
    shift = np.where(y > gap, np.maximum(gap, cheeks), 0) * np.clip(1 - below / 0.3, 0, 1)
    map_x, map_y = x * side + centre[0], (y - shift + lips) * side + centre[1]
    out = cv2.remap(rgba, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = np.clip(np.minimum(y, gap - y) * side / 1.5 + 0.5, 0, 1) * (gap > 0)
    dark = np.array([48, 22, 22], np.float32)
    out[..., :3] = np.uint8(out[..., :3] * (1 - inside[..., None]) + dark * inside[..., None] + 0.5)
    return out


class Morph:
    """Morph from a neutral to a smiling portrait of one person, both (S, S, C) uint8 with the face in the same place.

    Dense optical flow (DIS, Kroeger et al. 2016) maps each pixel of the neutral image into the smiling one; at smile t
    both are warped to the position in between, then blended.
    """

    def __init__(self, neutral: np.ndarray, smiling: np.ndarray, centre: tuple[float, float], side: float) -> None:
        self.neutral = neutral
        self.smiling = align(neutral, smiling, centre, side)
        grey = [cv2.cvtColor(p[..., :3].copy(), cv2.COLOR_RGB2GRAY) for p in (neutral, self.smiling)]
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        flow.setVariationalRefinementIterations(5)
        self.flow = cv2.GaussianBlur(flow.calc(grey[0], grey[1], _NO_MAP), (0, 0), side / 60)

    def __call__(self, smile: float) -> np.ndarray:
        """(S, S, C) uint8 image of a smile in [0, 1]."""
        height, width = self.neutral.shape[:2]
        grid = np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
        at = grid
        for _ in range(
            4
        ):  # fixed-point iteration for the source pixel in the neutral image: at + smile·flow(at) = grid
            at = grid - smile * cv2.remap(self.flow, at, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        there = at + cv2.remap(self.flow, at, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        first, second = (
            cv2.remap(p, where, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for p, where in ((self.neutral, at), (self.smiling, there))
        )
        return cv2.addWeighted(first, 1 - smile, second, smile, 0)


def align(fixed: np.ndarray, moving: np.ndarray, centre: tuple[float, float], side: float) -> np.ndarray:
    """Register `moving` to `fixed` by eyes and nose with an affine warp (ECC); unchanged if ECC does not converge."""
    eyes_and_nose = np.zeros(fixed.shape[:2], np.uint8)
    box = (round(centre[0]), round(centre[1] - 0.1 * side)), (round(0.45 * side), round(0.28 * side))
    cv2.ellipse(eyes_and_nose, box[0], box[1], 0, 0, 360, 255, -1)
    grey = [
        cv2.GaussianBlur(cv2.cvtColor(p[..., :3].copy(), cv2.COLOR_RGB2GRAY), (0, 0), side / 64)
        for p in (fixed, moving)
    ]
    warp = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-4)
    try:
        cv2.findTransformECC(grey[0], grey[1], warp, cv2.MOTION_AFFINE, stop, eyes_and_nose, 5)
    except cv2.error:
        return moving
    size = (fixed.shape[1], fixed.shape[0])
    return cv2.warpAffine(
        moving, warp, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
