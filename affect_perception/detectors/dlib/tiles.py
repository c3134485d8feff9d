"""Rectangles of the canvas of dlib's pyramid, each computed alone, with the pixels that the whole canvas has there.

A level is made of the one before by bilinear resizing, rows and columns apart, and so on up to the image. The steps of
one axis are linear, so their product is one matrix from the image to the level, with a narrow band of weights. A
rectangle of a level is then two products of small blocks of such matrices; the values differ from those made level by
level by 1e-6.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from affect_perception.detectors.dlib.pyramid import Canvas

_BLOCK = 16  # output samples per product: few enough for narrow blocks, enough for efficient products


@dataclass(frozen=True, eq=False)
class Resampling:
    """Matrix of one axis from the image to a level, in blocks of _BLOCK outputs.

    `starts`: first input of each block; `weights` (blocks, _BLOCK, inputs) float32, 0 beyond the last output.
    """

    starts: np.ndarray
    weights: np.ndarray

    @property
    def inputs(self) -> int:
        """Input samples of a block."""
        return int(self.weights.shape[2])


@functools.lru_cache(maxsize=256)
def resampling(sizes: tuple[int, ...]) -> Resampling:
    """Matrix from the first of `sizes` to the last, by bilinear resizing with aligned corners from each to the next."""
    first, weights = np.arange(sizes[0]), np.ones((sizes[0], 1))
    for before, after in itertools.pairwise(sizes):
        at = np.arange(after, dtype=np.float32) * np.float32((before - 1) / max(after - 1, 1))
        left = at.astype(np.int64)
        right = np.minimum(left + 1, before - 1)
        share = (at - left).astype(np.float64)[:, None]
        span = int((first[right] - first[left]).max()) + weights.shape[1]
        combined = np.zeros((after, span))
        rows, columns = np.arange(after)[:, None], np.arange(weights.shape[1])
        np.add.at(combined, (rows, columns), (1 - share) * weights[left])
        np.add.at(combined, (rows, columns + (first[right] - first[left])[:, None]), share * weights[right])
        first, weights = first[left], combined
    count, span = weights.shape
    begins = np.arange(0, count, _BLOCK)
    length = min(int((first[np.minimum(begins + _BLOCK, count) - 1] - first[begins]).max()) + span, sizes[0])
    starts = np.minimum(first[begins], sizes[0] - length)
    blocks = np.zeros((len(begins), _BLOCK, length), np.float32)
    for i in range(count):
        block, shift = i // _BLOCK, first[i] - starts[i // _BLOCK]
        inside = min(span, length - shift)  # weights beyond the image are 0
        blocks[block, i % _BLOCK, shift : shift + inside] = weights[i, :inside]
    return Resampling(starts, blocks)


class CanvasTiles:
    """Tiles of the canvas of an (H, W, 3) uint8 image on the CPU; `mean` (3,) is subtracted from its pixels."""

    def __init__(self, rgb: np.ndarray, canvas: Canvas, mean: np.ndarray) -> None:
        self._rgb, self._canvas = rgb, canvas
        self._mean = np.asarray(mean, np.float32)[:, None, None]
        heights, widths = (tuple(level[axis] for level in canvas.levels) for axis in (2, 3))
        self._sizes = heights, widths

    @functools.cached_property
    def _planes(self) -> list[np.ndarray]:
        return [plane.astype(np.float32) for plane in cv2.split(np.ascontiguousarray(self._rgb))]

    def __call__(self, top: int, left: int, height: int, width: int) -> torch.Tensor:
        """Return the pixels of a rectangle of the canvas, which may reach over its border: (1, 3, height, width)."""
        tile = np.zeros((3, height, width), np.float32)
        for number, (y, x, h, w) in enumerate(self._canvas.levels):
            first, last = max(top - y, 0), min(top + height - y, h)
            start, end = max(left - x, 0), min(left + width - x, w)
            if first < last and start < end:
                place = tile[:, first + y - top : last + y - top, start + x - left : end + x - left]
                self._level(number, (first, last), (start, end), place)
        return torch.from_numpy(tile)[None]

    def _level(self, number: int, rows: tuple[int, int], columns: tuple[int, int], into: np.ndarray) -> None:
        """Compute rows and columns [first, last) of a level."""
        down, across = (resampling(sizes[: number + 1]) for sizes in self._sizes)
        above, left = rows[0] // _BLOCK, columns[0] // _BLOCK
        below, right = -(-rows[1] // _BLOCK), -(-columns[1] // _BLOCK)
        start, end = int(across.starts[left:right].min()), int(across.starts[left:right].max()) + across.inputs
        middle = np.empty((3, (below - above) * _BLOCK, end - start), np.float32)
        for block in range(above, below):
            first = int(down.starts[block])
            for plane, place in zip(self._planes, middle, strict=True):
                part = plane[first : first + down.inputs, start:end]
                np.matmul(down.weights[block], part, out=place[(block - above) * _BLOCK :][:_BLOCK])
        flat = middle[:, rows[0] - above * _BLOCK : rows[1] - above * _BLOCK].reshape(-1, end - start)
        level = np.empty((len(flat), (right - left) * _BLOCK), np.float32)
        for block in range(left, right):
            first = int(across.starts[block]) - start
            part = flat[:, first : first + across.inputs]
            level[:, (block - left) * _BLOCK :][:, :_BLOCK] = part @ across.weights[block].T
        shift = columns[0] - left * _BLOCK
        np.subtract(level[:, shift : shift + columns[1] - columns[0]].reshape(into.shape), self._mean, out=into)
        into /= 256
