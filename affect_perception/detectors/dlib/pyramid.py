"""Image pyramid of dlib's CNN detector: layout of the levels on a canvas, mapping back to the image, suppression.

dlib places all levels of the pyramid (each 5/6 of the one before) on one canvas, so that one run of the network covers
them all. Windows near the edge of a level include its neighbours, so equal detections need the same canvas. Rectangles
here have inclusive edges as in dlib: (left, top, right, bottom). Source: image_pyramid.h, loss.h, box_overlap_testing.h
of dlib.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from affect_perception.types import Box, Detection

RATE = 5 / 6  # pyramid_down<6>
MIN_HEIGHT = 5  # px; no level is lower
STEP = 8  # canvas px from one score of the network to the next: three strides of 2
VIEW = 29  # receptive field of the network's first three convolutions, canvas px
MIN_SIDE = 10  # px; below, dlib's layout and network fail, and no face fits in

Rect = tuple[float, float, float, float]
RawDetection = tuple[float, float, float, float, float]  # left, top, right, bottom, score


@dataclass(frozen=True)
class Canvas:
    """Canvas for images of one size: its height and width, and (top, left, height, width) of each level on it."""

    height: int
    width: int
    levels: tuple[tuple[int, int, int, int], ...]


def canvas_for(height: int, width: int, padding: int, outer_padding: int) -> Canvas:
    """Lay out the canvas for images of `height` × `width` px, at least MIN_SIDE each; paddings in px."""
    sizes = [(height, width)]
    while True:
        h, w = math.floor(RATE * sizes[-1][0]), math.floor(RATE * sizes[-1][1])
        if h < MIN_HEIGHT or w == 0:
            break
        sizes.append((h, w))
    # The first column is filled downwards until the next level fits beside the last one and half of the rest is placed.
    total = sum(h + padding for h, _ in sizes) - 2 * padding
    column, last_width = 0, 0
    for h, w in sizes:
        room = width - last_width - padding
        fits = w <= room or room < 0  # unsigned in dlib, so that a negative room counts as plenty
        if fits and 2 * (column - height) >= total - height:
            break
        column, last_width = column + h + padding, w
    column -= padding
    levels: list[tuple[int, int, int, int]] = []
    top = outer_padding
    while len(levels) < len(sizes) and top < column + outer_padding:
        h, w = sizes[len(levels)]
        levels.append((top, outer_padding, h, w))
        top += h + padding
    bottom = top - padding  # the second column is filled upwards along the right edge, up to the full image
    for h, w in sizes[len(levels) :]:
        if bottom - h < outer_padding + height:
            break
        levels.append((bottom - h, outer_padding + width - w, h, w))
        bottom -= h + padding
    return Canvas(column + 2 * outer_padding, width + 2 * outer_padding, tuple(levels))


def canvas_to_image(canvas: Canvas, x: int, y: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Map a window of `width` × `height` around canvas point (x, y) to a rectangle in image pixels, rounded as in dlib.

    The window belongs to the level nearest to its centre.
    """
    level = _nearest_level(canvas, x, y)
    top, left = canvas.levels[level][:2]
    half_width, half_height = (width - 1) / 2, (height - 1) / 2
    edges = [x - half_width - left, y - half_height - top, x + half_width - left, y + half_height - top]
    for _ in range(level):
        edges = [edge * 1.2 + 0.3 for edge in edges]  # pyramid_down<6>::point_up
    return _rounded(*edges)


def upsampled_to_image(rect: Rect, times: int) -> tuple[int, int, int, int]:
    """Map a rectangle of an image that was doubled `times` times to the original pixels (pyramid_down<2>)."""
    left, top, right, bottom = rect
    for _ in range(times):
        left, top, right, bottom = left / 2 - 1.25, top / 2 - 0.75, right / 2 - 1.25, bottom / 2 - 0.75
    return _rounded(left, top, right, bottom)


def suppress(found: list[RawDetection], iou_threshold: float, covered_threshold: float) -> list[RawDetection]:
    """Non-maximum suppression: keep the best of overlapping rectangles; best first.

    dlib's overlap is the shared area over the area of the smallest rectangle around both, not over their union.
    """
    rows = np.array(found, np.float64).reshape(-1, 5)
    order = np.argsort(-rows[:, 4], kind='stable')
    kept: list[RawDetection] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(found[best])
        order = rest[~_overlapping(rows[best, :4, None], rows[rest, :4].T, iou_threshold, covered_threshold)]
    return kept


def overlapping(rects: np.ndarray, iou_threshold: float, covered_threshold: float) -> np.ndarray:
    """Whether `suppress` would keep only one of two rectangles: (N, 4) to (N, N) bool."""
    return _overlapping(rects.T[:, :, None], rects.T[:, None], iou_threshold, covered_threshold)


def _overlapping(a: np.ndarray, b: np.ndarray, iou_threshold: float, covered_threshold: float) -> np.ndarray:
    inner = _areas(*np.maximum(a[:2], b[:2]), *np.minimum(a[2:], b[2:]))
    outer = _areas(*np.minimum(a[:2], b[:2]), *np.maximum(a[2:], b[2:]))
    covered = inner / np.minimum(_areas(*a), _areas(*b))
    result: np.ndarray = (inner > 0) & ((inner / outer > iou_threshold) | (covered > covered_threshold))
    return result


def map_size(canvas: Canvas) -> tuple[int, int]:
    """Rows and columns of the score map of a canvas."""
    return (canvas.height - VIEW) // STEP + 1, (canvas.width - VIEW) // STEP + 1


def at_most(rgb: np.ndarray, width: int) -> tuple[np.ndarray, float]:
    """Scale the image down to `width` px if it is wider (0: never); returns it and the scale back to the original."""
    scale = max(rgb.shape[1] / width, 1.0) if width else 1.0
    if scale == 1:
        return rgb, 1.0
    return cv2.resize(rgb, (width, max(round(rgb.shape[0] / scale), 1)), interpolation=cv2.INTER_AREA), scale


def detections(found: list[RawDetection], scale: float = 1.0) -> list[Detection]:
    """Convert to Detections: exclusive edges, pixels of an image `scale` times as large, confidences for scores."""
    return [
        Detection(
            Box(left * scale, top * scale, (right - left + 1) * scale, (bottom - top + 1) * scale), confidence(score)
        )
        for left, top, right, bottom, score in found
    ]


def confidence(score: float) -> float:
    """Map a score to a confidence, 1 / (1 + exp(-4 score)): 0.5 at dlib's threshold of 0, 0.98 at 1, a clear face."""
    return 1 / (1 + math.exp(-4 * score))


def _areas(left: np.ndarray, top: np.ndarray, right: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    areas: np.ndarray = np.maximum(right - left + 1, 0) * np.maximum(bottom - top + 1, 0)
    return areas


def _nearest_level(canvas: Canvas, x: int, y: int) -> int:
    for number, (top, left, height, width) in enumerate(canvas.levels):
        if top <= y < top + height and left <= x < left + width:
            return number
    tops, lefts, heights, widths = np.array(canvas.levels).T
    dx = np.maximum(np.maximum(lefts - x, x - (lefts + widths - 1)), 0)
    dy = np.maximum(np.maximum(tops - y, y - (tops + heights - 1)), 0)
    return int(np.argmin(dx * dx + dy * dy))


def _rounded(left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
    return _round(left), _round(top), _round(right), _round(bottom)


def _round(value: float) -> int:
    """Round half away from zero as C does; Python rounds half to even."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)
