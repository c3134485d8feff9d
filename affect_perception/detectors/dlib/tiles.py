"""Rectangles of the canvas of dlib's pyramid, each computed alone, with the pixels that the whole canvas has there.

A level is made of the one before by bilinear resizing, rows and columns apart, and so on up to the image. The steps of
one axis are linear, so their product is one matrix from the image to the level, with a narrow band of weights. A
rectangle of a level is: matrix of the rows × part of the image × matrix of the columns. Only the blocks along the bands
are multiplied, all blocks of an axis in one call; the values differ from those made level by level by 1e-6.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import torch

from affect_perception.detectors.dlib.pyramid import Canvas
from affect_perception.detectors.dlib.winograd import Scratch

_OUTPUTS = range(8, 17)  # of a block: few enough for a narrow band, enough for efficient products


@dataclass(frozen=True, eq=False)
class Resampling:
    """Matrix of one axis from the image to a level, by the blocks along its band, at even distances for torch.bmm.

    `weights` (blocks, inputs, outputs) float32, 0 beyond the level and the image. The blocks have the outputs in turn;
    the inputs of block i begin at `first` + i * `step`, which may lie outside the image.
    """

    weights: torch.Tensor
    first: int
    step: int

    def part(self, first: int, last: int) -> tuple[Resampling, int]:
        """Blocks that hold the outputs [first, last), and how many outputs of theirs come before `first`."""
        outputs = self.weights.shape[2]
        begin, end = first // outputs, -(-last // outputs)
        return Resampling(self.weights[begin:end], self.first + begin * self.step, self.step), first - begin * outputs

    @property
    def inputs(self) -> tuple[int, int]:
        """First and last input [first, last) of all blocks."""
        blocks, inputs, _ = self.weights.shape
        return self.first, self.first + (blocks - 1) * self.step + inputs

    def of_rows(self, x: torch.Tensor) -> torch.Tensor:
        """View of the inputs (h, w), h rows, as those of each block (blocks, inputs, w)."""
        return x.unfold(0, self.weights.shape[1], self.step).mT

    def of_columns(self, x: torch.Tensor) -> torch.Tensor:
        """View of the inputs (h, w), w columns, as those of each block (blocks, h, inputs)."""
        return x.unfold(1, self.weights.shape[1], self.step).transpose(0, 1)


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
        first, weights = first[left], combined[:, : np.flatnonzero(combined.any(0))[-1] + 1]
    return min((_blocks(first, weights, outputs) for outputs in _OUTPUTS), key=lambda blocks: blocks.weights.numel())


@functools.lru_cache(maxsize=64)  # up to 2 MB each
def resampling_of_pixels(sizes: tuple[int, ...]) -> Resampling:
    """`resampling` of pixels, three colours side by side, from 0 to 256 before and from 0 to 1 after."""
    plain = resampling(sizes)
    return Resampling(torch.kron(plain.weights, torch.eye(3) / 256), 3 * plain.first, 3 * plain.step)


def _blocks(first: np.ndarray, weights: np.ndarray, outputs: int) -> Resampling:
    """Blocks of `outputs` each; output i has `weights[i]` (span,) at the inputs from `first[i]` on."""
    count, span = weights.shape
    step = max(round(outputs * (first[-1] - first[0]) / max(count - 1, 1)), 1)
    block, output = np.divmod(np.arange(count), outputs)
    shift = first - step * block
    blocks = np.zeros((block[-1] + 1, np.ptp(shift) + span, outputs), np.float32)
    blocks[block[:, None], (shift - shift.min())[:, None] + np.arange(span), output[:, None]] = weights
    return Resampling(torch.from_numpy(blocks), int(shift.min()), step)


class CanvasTiles:
    """Tiles of the canvas of an (H, W, 3) uint8 image on the CPU; `mean` (3,) is subtracted from its pixels."""

    def __init__(self, rgb: np.ndarray, canvas: Canvas, mean: np.ndarray, scratch: Scratch) -> None:
        self._image = rgb.reshape(len(rgb), -1)  # three columns per pixel, here and in all that follows
        self._means = torch.from_numpy(np.tile(np.asarray(mean, np.float32) / 256, canvas.width))
        self._canvas, self._scratch = canvas, scratch
        self._heights, self._widths = (tuple(level[axis] for level in canvas.levels) for axis in (2, 3))

    @torch.inference_mode()
    def __call__(self, top: int, left: int, into: np.ndarray) -> None:
        """Write the canvas from (top, left) on, which may lie outside it, into (height, width, 3) float32."""
        height, width = into.shape[:2]
        into[:] = 0
        tile = torch.from_numpy(into).flatten(1)
        for number, (y, x, h, w) in enumerate(self._canvas.levels):
            first, last = max(top - y, 0), min(top + height - y, h)
            start, end = max(left - x, 0), min(left + width - x, w)
            if first < last and start < end:
                level = self._level(number, (first, last), (3 * start, 3 * end))
                place = tile[first + y - top : last + y - top, 3 * (start + x - left) : 3 * (end + x - left)]
                torch.sub(level, self._means[: level.shape[1]], out=place)

    def _level(self, number: int, rows: tuple[int, int], columns: tuple[int, int]) -> torch.Tensor:
        """Rows and columns [first, last) of a level, float32 from 0 to 1."""
        down, above = resampling(self._heights[: number + 1]).part(*rows)
        across, before = resampling_of_pixels(self._widths[: number + 1]).part(*columns)
        pixels = self._pixels(down.inputs, across.inputs)
        low = self._scratch.of('low', len(down.weights), down.weights.shape[2], pixels.shape[1])
        torch.bmm(down.weights.mT, down.of_rows(pixels), out=low)
        low = low.flatten(0, 1)[above:][: rows[1] - rows[0]]
        blocks = self._scratch.of('blocks', len(across.weights), len(low), across.weights.shape[2])
        torch.bmm(across.of_columns(low), across.weights, out=blocks)
        level = self._scratch.of('level', len(low), len(blocks), blocks.shape[2]).copy_(blocks.transpose(0, 1))
        return level.flatten(1)[:, before:][:, : columns[1] - columns[0]]

    def _pixels(self, rows: tuple[int, int], columns: tuple[int, int]) -> torch.Tensor:
        """Rows and columns [first, last) of the image as float32, 0 outside it."""
        pixels = self._scratch.of('pixels', rows[1] - rows[0], columns[1] - columns[0])
        inside = self._image[max(rows[0], 0) : rows[1], max(columns[0], 0) : columns[1]]
        top, left = max(-rows[0], 0), max(-columns[0], 0)
        bottom, right = top + inside.shape[0], left + inside.shape[1]
        for outside in (pixels[:top], pixels[bottom:], pixels[:, :left], pixels[:, right:]):
            outside.zero_()
        np.copyto(pixels[top:bottom, left:right].numpy(), inside)
        return pixels
