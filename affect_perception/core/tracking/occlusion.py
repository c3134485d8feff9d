"""Occlusion between faces: of two faces that overlap, the one more similar to its own patch is in front.

Faces are rows (N, 4) of core.boxes; `similarity` (N,) is the NCC of each face with its own earlier patch.
"""

from __future__ import annotations

import numpy as np

from affect_perception.core.boxes import covered_share, iou
from affect_perception.core.tracking.optical_flow import POINTS

MAX_COVERED = 0.5  # share of a face behind another from which it is not expected to be seen
_TOUCH = 0.02  # share of a face inside another's head from which the two touch
_HEAD = np.array([0, -0.15, 0.3, 0.5])  # head around a face box: hair, ears and chin, in box heights
_SAME_PLACE_IOU = 0.45  # from which two boxes cannot be two visible faces
_IN_FRONT = 0.1  # difference in similarity that tells which face is in front


def touching(boxes: np.ndarray) -> np.ndarray:
    """(N,) bool: True for a face whose head overlaps another face, or nearly."""
    share = covered_share(boxes, boxes + boxes[:, [3]] * _HEAD)
    np.fill_diagonal(share, 0)
    touch = share > _TOUCH
    either: np.ndarray = np.logical_or(touch.any(axis=1), touch.any(axis=0))
    return either


def visible_points(boxes: np.ndarray, similarity: np.ndarray, tracked: np.ndarray) -> np.ndarray:
    """(N, P) bool: the POINTS of each face that no tracked face in front occludes."""
    in_front = (similarity[None] > similarity[:, None] + _IN_FRONT) & tracked[None]
    if not in_front.any():  # the usual case
        return np.ones((len(boxes), len(POINTS)), bool)
    points = boxes[:, None, :2] + POINTS * boxes[:, None, 2:]  # (N, P, 2)
    # A head is higher than its face box: the occluder's ellipse reaches well above it.
    offset = (points[:, :, None] - boxes[None, None, :, :2]) / boxes[None, None, :, 2:]  # (N, P, N, 2)
    offset[..., 1] = np.where(offset[..., 1] < 0, offset[..., 1] / 0.85, offset[..., 1] / 0.65)
    behind = (offset[..., 0] / 0.6) ** 2 + offset[..., 1] ** 2 < 1
    visible: np.ndarray = ~(behind & in_front[:, None]).any(axis=2)
    return visible


def drifted_to_another(boxes: np.ndarray, similarity: np.ndarray, tracked: np.ndarray) -> np.ndarray:
    """(N,) bool: True for a face at the place of a tracked face of higher similarity, whose flow it has followed."""
    same_place = iou(boxes, boxes) > _SAME_PLACE_IOU
    better = (similarity[None] > similarity[:, None]) & tracked[None] & tracked[:, None]
    drifted: np.ndarray = (same_place & better).any(axis=1)
    return drifted
