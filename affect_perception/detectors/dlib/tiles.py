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
from affect_perception.detectors.dlib.winograd import Scratch

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

    def __init__(self, rgb: np.ndarray, canvas: Canvas, mean: np.ndarray, scratch: Scratch) -> None:
        self._rgb, self._canvas, self._scratch = rgb, canvas, scratch
        self._means = np.tile(np.asarray(mean, np.float32), canvas.width)
        heights, widths = (tuple(level[axis] for level in canvas.levels) for axis in (2, 3))
        self._sizes = heights, widths

    def __call__(self, top: int, left: int, into: np.ndarray) -> None:
        """Write the canvas from (top, left) on, which may lie outside it, into (height, width, 3) float32."""
        height, width = into.shape[:2]
        into[:] = 0
        for number, (y, x, h, w) in enumerate(self._canvas.levels):
            first, last = max(top - y, 0), min(top + height - y, h)
            start, end = max(left - x, 0), min(left + width - x, w)
            if first < last and start < end:
                pixels = self._level(number, (first, last), (start, end)).reshape(last - first, -1)
                pixels -= self._means[: pixels.shape[1]]
                place = into[first + y - top : last + y - top, start + x - left : end + x - left]
                np.multiply(pixels.reshape(place.shape), 1 / 256, out=place)

    def _level(self, number: int, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
        """Pixels of rows and columns [first, last) of a level, (rows, columns, 3) float32."""
        if number == 0:
            return self._rgb[rows[0] : rows[1], columns[0] : columns[1]].astype(np.float32)
        (down, _, _, above), (across, start, end, left) = (
            _blocks(resampling(sizes[: number + 1]), span)
            for sizes, span in zip(self._sizes, (rows, columns), strict=True)
        )
        planes = self._buffer('planes', 3, len(down.starts) * _BLOCK, end - start)
        pixels = self._buffer('pixels', down.inputs, end - start, 3)
        resized = self._buffer('rows', _BLOCK, end - start, 3)
        for first, weights, place in zip(down.starts, down.weights, np.split(planes, len(down.starts), 1), strict=True):
            pixels[:] = self._rgb[first : first + down.inputs, start:end]  # few rows, which stay in the cache
            _product(weights, pixels.reshape(down.inputs, -1), resized.reshape(_BLOCK, -1))
            cv2.split(resized, list(place))
        flat = planes.reshape(-1, end - start)
        level = self._buffer('level', len(flat), len(across.starts), _BLOCK)
        for number, (first, weights) in enumerate(zip(across.starts - start, across.weights, strict=True)):
            _product(flat[:, first : first + across.inputs], weights.T, level[:, number])
        wanted = level.reshape(3, planes.shape[1], -1)[:, above:, left:][
            :, : rows[1] - rows[0], : columns[1] - columns[0]
        ]
        return np.asarray(cv2.merge(list(wanted)))

    def _buffer(self, name: str, *shape: int) -> np.ndarray:
        return self._scratch.of(name, *shape).numpy()


def _product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Write a @ b into `out`; not by NumPy, whose threads wait for each other by spinning."""
    torch.mm(torch.from_numpy(a), torch.from_numpy(b), out=torch.from_numpy(out))


def _blocks(matrix: Resampling, outputs: tuple[int, int]) -> tuple[Resampling, int, int, int]:
    """Blocks that hold the outputs [first, last); first and last input that they need; `first` within the blocks."""
    begin, end = outputs[0] // _BLOCK, -(-outputs[1] // _BLOCK)
    part = Resampling(matrix.starts[begin:end], matrix.weights[begin:end])
    first, last = int(part.starts.min()), int(part.starts.max()) + part.inputs
    return part, first, last, outputs[0] - begin * _BLOCK
