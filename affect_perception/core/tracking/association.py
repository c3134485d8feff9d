"""Which detection is which known face: one cost, Hungarian assignment (Kuhn 1955, as in SORT, Bewley et al. 2016).

The cost is in face sizes: distance of the centres, plus the difference in size, plus the difference in colours. Colours
break the tie when two people meet; near to a well followed face, place alone decides.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from affect_perception.core.images.crops import cut, face_square
from affect_perception.types import Box

NEAR = 0.6  # face sizes between prediction and detection of a face that is being followed well
SIZE_RATIO = 2.0  # a face does not grow or shrink by more between prediction and detection
# Colour distance plus (1 - likeness of the grey pictures) from which two faces are two people. London portraits
# with the jitter of HOG: same person 0.25 (95 %: 0.45), other 0.75 (1 %: 0.45). A face that comes out from behind
# somebody is still covered in part, hence the higher limit where a hidden face is expected, and the lower one far away.
STRANGER_HERE, STRANGER_AWAY = 0.95, 0.45
_SIDE, _MARGIN, _BINS = 32, 0.3, 8
COLOURS = _BINS**3  # numbers in the description of a face's colours
_HEAD = cv2.ellipse(np.zeros((_SIDE, _SIDE), np.uint8), (16, 14), (10, 14), 0, 0, 360, 255, -1)


def colours(rgb: np.ndarray, box: Box) -> np.ndarray:
    """(512,) float32 of unit length: square roots of the colour histogram of hair and face. rgb is (H, W, 3) uint8."""
    head = cut(rgb, face_square(box, _MARGIN), _SIDE)
    counts = cv2.calcHist([head], [0, 1, 2], _HEAD, [_BINS] * 3, [0, 256] * 3).ravel()
    return np.sqrt(counts / counts.sum())


def colour_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) Hellinger distance in [0, 1] between rows of `a` (N, 512) and `b` (M, 512)."""
    return np.sqrt(np.maximum(1 - a @ b.T, 0))


def costs(
    faces: np.ndarray, spread: np.ndarray, found: np.ndarray, strange: np.ndarray, astray: float = 0.0
) -> np.ndarray:
    """(N, M) cost of taking each found box (M, 4) for each face (N, 4); inf where that cannot be.

    `spread` (N,) is how far, in face sizes, a face may be from where it is thought to be because it went unseen.
    `strange` (N, M) is how unlike the two look, 0 for the same picture. With `astray` any face may be that far away,
    but then, as for a face that went unseen, it is not taken for whoever comes by: looks have to agree.
    """
    reach = np.maximum(spread, astray)[:, None]
    distance = distances(faces, found)
    size, found_size = faces[:, 2:].mean(axis=1)[:, None], found[:, 2:].mean(axis=1)[None]
    growth = np.abs(np.log(np.maximum(found_size, 1) / np.maximum(size, 1)))
    possible = (distance < NEAR + reach) & (growth < np.log(SIZE_RATIO))
    away = np.minimum(distance / (0.5 + spread[:, None]), 1)
    possible &= (reach == 0) | (strange < STRANGER_HERE + (STRANGER_AWAY - STRANGER_HERE) * away)
    return np.where(possible, distance / (1 + reach) + 0.5 * growth + 1.5 * strange, np.inf)


def distances(faces: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(N, M) distance of the centres in face sizes."""
    size, found_size = faces[:, 2:].mean(axis=1)[:, None], found[:, 2:].mean(axis=1)[None]
    return np.linalg.norm(faces[:, None, :2] - found[None, :, :2], axis=2) / np.maximum((size + found_size) / 2, 1)


def assign(cost: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (row, column) of least total cost among those of finite cost, as many as can be."""
    if not cost.size:
        return []
    forbidden = 1e6
    pairs = zip(*linear_sum_assignment(np.where(np.isfinite(cost), cost, forbidden)), strict=True)
    return [(int(i), int(j)) for i, j in pairs if np.isfinite(cost[i, j])]
