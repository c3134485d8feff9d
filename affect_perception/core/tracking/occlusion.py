"""Who stands before whom: of two faces that meet, the one that still looks like itself is in front.

Faces are rows (N, 4) of core.geometry; `quality` (N,) is the likeness of each face with its own earlier picture.
"""

from __future__ import annotations

import numpy as np

from affect_perception.core.boxes import covered_share, iou
from affect_perception.core.tracking.optical_flow import POINTS

_TOUCH = 0.02  # share of a face inside another's box from which they are in each other's way
_HEAD = np.array([0, -0.15, 0.3, 0.5])  # what a head has around its face box: hair, ears and chin, in box heights
_SAME_PLACE = 0.45  # IoU from which two boxes cannot be two visible faces
HIDDEN = 0.5  # share of a face behind another from which it is not expected to be seen
_CLEARLY = 0.1  # difference in quality that tells who is in front


def touched(boxes: np.ndarray) -> np.ndarray:
    """(N,) bool: another face is in the way, or nearly."""
    share = covered_share(boxes, boxes + boxes[:, [3]] * _HEAD)
    np.fill_diagonal(share, 0)
    return (share > _TOUCH).any(axis=1) | (share > _TOUCH).any(axis=0)


def visible_points(boxes: np.ndarray, quality: np.ndarray, followed: np.ndarray) -> np.ndarray:
    """(N, P) bool: the POINTS of each face that no followed face in front hides."""
    in_front = (quality[None] > quality[:, None] + _CLEARLY) & followed[None]
    if not in_front.any():  # the usual case
        return np.ones((len(boxes), len(POINTS)), bool)
    places = boxes[:, None, :2] + POINTS * boxes[:, None, 2:]  # (N, P, 2)
    # A head is higher than its face box: the occluder's ellipse reaches well above it.
    offset = (places[:, :, None] - boxes[None, None, :, :2]) / boxes[None, None, :, 2:]  # (N, P, N, 2)
    offset[..., 1] = np.where(offset[..., 1] < 0, offset[..., 1] / 0.85, offset[..., 1] / 0.65)
    behind = (offset[..., 0] / 0.6) ** 2 + offset[..., 1] ** 2 < 1
    return ~(behind & in_front[:, None]).any(axis=2)


def swallowed(boxes: np.ndarray, quality: np.ndarray, followed: np.ndarray) -> np.ndarray:
    """(N,) bool: at the place of another followed face that looks more like itself; its flow is that other face's."""
    same = iou(boxes, boxes) > _SAME_PLACE
    better = (quality[None] > quality[:, None]) & followed[None] & followed[:, None]
    return (same & better).any(axis=1)
