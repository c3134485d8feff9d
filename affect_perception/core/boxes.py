"""Boxes as arrays: rows of (centre x, centre y, width, height) in pixels, float64."""

from __future__ import annotations

import numpy as np

from affect_perception.types import Box


def box_to_row(box: Box) -> np.ndarray:
    """Convert a `Box` to a (4,) row of centre and size, in pixels."""
    return np.array([*box.centre, box.width, box.height])


def row_to_box(row: np.ndarray) -> Box:
    """Convert a (4,) row of centre and size to a `Box`."""
    x, y, width, height = row.tolist()
    return Box.around((x, y), width, height)


def boxes_to_rows(boxes: list[Box]) -> np.ndarray:
    """Convert boxes to an (N, 4) array of rows; (0, 4) for an empty list."""
    return np.array([box_to_row(b) for b in boxes]).reshape(-1, 4)


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) area common to each box of `a` (N, 4) and each of `b` (M, 4)."""
    half, other = a[:, 2:] / 2, b[:, 2:] / 2
    low = np.maximum((a[:, :2] - half)[:, None], (b[:, :2] - other)[None])
    high = np.minimum((a[:, :2] + half)[:, None], (b[:, :2] + other)[None])
    size = np.maximum(high - low, 0)
    return size[..., 0] * size[..., 1]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) intersection over union; 0 for empty boxes."""
    common = _overlap(a, b)
    union = (a[:, 2] * a[:, 3])[:, None] + (b[:, 2] * b[:, 3])[None] - common
    return common / np.maximum(union, 1e-9)


def covered_share(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) share of each box of `a` that lies inside each box of `b`."""
    return _overlap(a, b) / np.maximum((a[:, 2] * a[:, 3])[:, None], 1e-9)


def inside_share(a: np.ndarray, width: int, height: int) -> np.ndarray:
    """(N,) share of each box that lies inside the image."""
    return covered_share(a, np.array([[width / 2, height / 2, width, height]]))[:, 0]


def carry_box(box: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """(4,) where `box`, seen at the time of `old`, is now, if it moved and grew as `old` did to become `new`."""
    growth = new[2] / max(old[2], 1e-9)
    return np.concatenate([new[:2] + (box[:2] - old[:2]) * growth, box[2:] * growth])
