"""Pixels of the canvas of dlib's pyramid, whole or in rectangles: a level is drawn when it is first needed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F

from affect_perception.detectors.dlib.pyramid import Canvas

Tile = Callable[[int, int, np.ndarray], None]  # writes the canvas pixels from (top, left) on into (height, width, 3)

_ROWS = 32  # rows of a level per step: few enough for the cache


class CanvasTiles:
    """Tiles of the canvas of one image, (H, W, 3) uint8 or float, 0 to 255, on any device.

    `pixels`: the canvas's buffer, (height, width, 3) float32, 0 between the levels; `mean` (3,) is subtracted from the
    pixels of the image, and the rest divided by 256.
    """

    def __init__(self, image: torch.Tensor, canvas: Canvas, mean: torch.Tensor, pixels: torch.Tensor) -> None:
        self._image, self._canvas, self._mean, self._pixels = image, canvas, mean, pixels
        self._drawn = [range(0)] * len(canvas.levels)  # rows of each level

    def whole(self) -> torch.Tensor:
        """Pixels of the whole canvas, (1, 3, height, width), channels last in memory."""
        for number, (_, _, height, _) in enumerate(self._canvas.levels):
            self._need(number, 0, height)
        return self._pixels.permute(2, 0, 1)[None]

    def __call__(self, top: int, left: int, into: np.ndarray) -> None:
        """Write the canvas from (top, left) on, 0 outside, into (height, width, 3) float32; on the CPU."""
        bottom, right = top + into.shape[0], left + into.shape[1]
        for number, (y, x, height, width) in enumerate(self._canvas.levels):
            if left < x + width and right > x:
                self._need(number, max(top - y, 0), min(bottom - y, height))
        rows, columns = (
            slice(min(max(first, 0), size), min(max(last, 0), size))
            for first, last, size in ((top, bottom, self._canvas.height), (left, right, self._canvas.width))
        )
        into[:] = 0
        place = into[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        np.copyto(place, self._pixels.numpy()[rows, columns])

    def _need(self, number: int, first: int, last: int) -> None:
        """Draw those rows [first, last) of a level that are not yet drawn, and those between them and the drawn."""
        drawn = self._drawn[number]
        if first >= last or (drawn and first in drawn and last - 1 in drawn):
            return
        if not drawn:
            self._draw(number, first, last)
            self._drawn[number] = range(first, last)
            return
        if first < drawn.start:
            self._draw(number, first, drawn.start)
        if last > drawn.stop:
            self._draw(number, drawn.stop, last)
        self._drawn[number] = range(min(first, drawn.start), max(last, drawn.stop))

    def _draw(self, number: int, first: int, last: int) -> None:
        """Draw rows [first, last) of a level, from the level before."""
        place = self._place(number)
        if number == 0:
            _subtract(self._mean, self._image, place, first, last)
            return
        before = self._place(number - 1)
        above, below, _ = _between(len(before), len(place))
        self._need(number - 1, int(above[first]), int(below[last - 1]) + 1)
        _shrink(before, place, first, last)

    def _place(self, number: int) -> torch.Tensor:
        top, left, height, width = self._canvas.levels[number]
        return self._pixels[top : top + height, left : left + width]


def _subtract(mean: torch.Tensor, image: torch.Tensor, into: torch.Tensor, first: int, last: int) -> None:
    """Write rows [first, last) of (H, W, 3) less `mean` (3,), over 256, into (H, W, 3)."""
    means = mean.repeat(image.shape[1])
    image, into = _flat(image), _flat(into)
    for rows in _steps(first, last):
        into[rows].copy_(image[rows]).sub_(means).mul_(1 / 256)


def _shrink(level: torch.Tensor, into: torch.Tensor, first: int, last: int) -> None:
    """Resize (H, W, 3) to rows [first, last) of the smaller (h, w, 3), bilinear with aligned corners.

    Rows first, then columns. Four times as fast as F.interpolate on the CPU, which computes three numbers at a time.
    """
    if level.is_cuda:
        small = F.interpolate(level.permute(2, 0, 1)[None], into.shape[:2], mode='bilinear', align_corners=True)
        into.copy_(small[0].permute(1, 2, 0))
        return
    height, width = level.shape[:2]
    (above, below, down), (left, right, across) = _between(height, into.shape[0]), _between(width, into.shape[1])
    channels = torch.arange(3)
    left, right = ((3 * side[:, None] + channels).flatten() for side in (left, right))
    across, down = across.repeat_interleave(3), down[:, None]
    level, into = _flat(level), _flat(into)
    for rows in _steps(first, last):
        lower = level.index_select(0, above[rows]).lerp_(level.index_select(0, below[rows]), down[rows])
        torch.lerp(lower.index_select(1, left), lower.index_select(1, right), across, out=into[rows])


def _steps(first: int, last: int) -> Iterator[slice]:
    return (slice(row, min(row + _ROWS, last)) for row in range(first, last, _ROWS))


def _flat(x: torch.Tensor) -> torch.Tensor:
    """View of (H, W, 3), colours side by side in memory, as (H, 3 * W): operations on long rows are the fast ones."""
    return x.as_strided((len(x), x.shape[1] * 3), (x.stride(0), 1), x.storage_offset())


@functools.lru_cache(maxsize=256)
def _between(size: int, places: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return each of `places` output samples' two neighbours among `size` inputs, and the weight of the second."""
    at = torch.arange(places) * torch.tensor((size - 1) / max(places - 1, 1), dtype=torch.float32)
    first = at.long()
    return first, (first + 1).clamp_(max=size - 1), at - first
