"""Canvas of the proposal network: the image at a quarter of its size and smaller, in steps of four of dlib's levels.

dlib's pyramid shrinks by 5/6 per level, and a face of 80 px fills its window. At a quarter of the size that face has
20 px, which is enough to see that there may be one. One scale of the proposal canvas serves four of dlib's levels, one
channel of the network's output each, so scales shrink by (5/6)^4. With `enlarged`, a scale at half of the image's size
comes first, for dlib's levels of the image doubled (faces from 40 px).

All scales lie on one canvas, so that one run of the network covers them all: the first on top, the others beneath it
side by side, each at a multiple of CELL.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

LEVELS = 4  # of dlib's pyramid per scale
CELL = 8  # canvas px per cell of the network
OUT = 4  # canvas px per output of the network, which are finer than its cells
_GAP = 8  # px between scales, at least
_SMALLEST = 10  # px; a side of a scale below holds no face that is not found at the scale before
_RATE = (5 / 6) ** LEVELS


@dataclass(frozen=True)
class Scale:
    """Scale of the image on the canvas: place and size in px; `first_level`: dlib's level of its first channel.

    Levels below 0 are those of the doubled image.
    """

    top: int
    left: int
    height: int
    width: int
    first_level: int


@dataclass(frozen=True)
class ProposalCanvas:
    """Size in px of the canvas for images of one size, and its scales, the largest first."""

    height: int
    width: int
    scales: tuple[Scale, ...]


@functools.lru_cache(maxsize=16)
def proposal_canvas(height: int, width: int, enlarged: bool) -> ProposalCanvas:
    """Lay out the canvas for images of `height` × `width` px, at least 10 each."""
    sizes = [(height / 2, width / 2, -LEVELS)] if enlarged else []
    h, w, level = height / 4, width / 4, 0
    while not sizes or min(h, w) >= _SMALLEST:
        sizes.append((h, w, level))
        h, w, level = h * _RATE, w * _RATE, level + LEVELS
    scales: list[Scale] = []
    left, top, right = _GAP, _GAP, 0
    for h, w, level in sizes:
        rows, columns = max(round(h), 1), max(round(w), 1)
        scales.append(Scale(top, left, rows, columns, level))
        right = max(right, left + columns)
        if len(scales) == 1:
            top = _multiple(top + rows + _GAP)
        else:
            left = _multiple(left + columns + _GAP)
    bottom = max(scale.top + scale.height for scale in scales)
    return ProposalCanvas(_multiple(bottom + _GAP), _multiple(right + _GAP), tuple(scales))


def draw(rgb: np.ndarray, canvas: ProposalCanvas) -> np.ndarray:
    """Draw all scales of an (H, W, 3) uint8 image on the canvas, each from the one before: uint8, mid-grey around."""
    drawn = np.full((canvas.height, canvas.width, 3), 128, np.uint8)
    source = rgb
    for scale in canvas.scales:
        source = cv2.resize(source, (scale.width, scale.height), interpolation=cv2.INTER_AREA)
        drawn[scale.top : scale.top + scale.height, scale.left : scale.left + scale.width] = source
    return drawn


def face_scale(level: np.ndarray) -> np.ndarray:
    """Size of a face at dlib's levels (below 0: of the doubled image), relative to one at level 0."""
    scale: np.ndarray = np.where(level < 0, 1.2 ** (level + float(LEVELS)) / 2, 1.2 ** np.asarray(level, float))
    return scale


def _multiple(size: int) -> int:
    return -(-size // CELL) * CELL
