"""Boxes as arrays: rows of (centre x, centre y, width, height) in px, float64, and their overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affect_perception.types import Box


def box_to_row(box: Box) -> np.ndarray:
    """Convert a `Box` to a (4,) row of centre and size, in pixels."""
    return np.array([*box.centre, box.width, box.height])


def row_to_box(row: np.ndarray) -> Box:
    """Convert a (4,) row of centre and size to a `Box`."""
    x, y, width, height = row.tolist()
    return Box.around((x, y), width, height)


def boxes_to_rows(boxes: Sequence[Box]) -> np.ndarray:
    """Convert boxes to an (N, 4) array of rows; (0, 4) for an empty list."""
    return np.array([box_to_row(b) for b in boxes]).reshape(-1, 4)


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) area of intersection, px², of each box of `a` (N, 4) with each of `b` (M, 4)."""
    half, other = a[:, 2:] / 2, b[:, 2:] / 2
    low = np.maximum((a[:, :2] - half)[:, None], (b[:, :2] - other)[None])
    high = np.minimum((a[:, :2] + half)[:, None], (b[:, :2] + other)[None])
    size = np.maximum(high - low, 0)
    area: np.ndarray = size[..., 0] * size[..., 1]
    return area


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) intersection over union of the boxes `a` (N, 4) and `b` (M, 4), in [0, 1]; 0 for empty boxes."""
    common = _overlap(a, b)
    union = (a[:, 2] * a[:, 3])[:, None] + (b[:, 2] * b[:, 3])[None] - common
    share: np.ndarray = common / np.maximum(union, 1e-9)
    return share


def covered_share(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) share of the area of each box of `a` (N, 4) inside each box of `b` (M, 4), in [0, 1]."""
    share: np.ndarray = _overlap(a, b) / np.maximum((a[:, 2] * a[:, 3])[:, None], 1e-9)
    return share


def inside_share(a: np.ndarray, width: int, height: int) -> np.ndarray:
    """(N,) share of the area of each box `a` (N, 4) inside an image of width × height px, in [0, 1]."""
    image = np.array([[width / 2, height / 2, width, height]])
    share: np.ndarray = covered_share(a, image)[:, 0]
    return share


def carry_box(box: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Carry `box` (4,) by the motion and scale that made the box `old` (4,) into `new` (4,)."""
    scale = new[2] / max(old[2], 1e-9)
    return np.concatenate([new[:2] + (box[:2] - old[:2]) * scale, box[2:] * scale])
