"""The network of dlib's CNN face detector in PyTorch: from an image to a score for each place on its canvas.

Convolution, affine layer and ReLU are one step, channels lie last in memory. Short numbers (bf16, fp16) are quick, but
neighbouring windows score within 0.01 of each other, and rounding picks the wrong one for one face in twenty. So they
only say where faces may be; those places are computed again in fp32, and the answers are those of fp32.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from affect_perception.detectors.dlib_pyramid import Canvas
from affect_perception.detectors.dlib_weights import DlibNet, folded_convolutions


def _block(outputs: int, inputs: int, stride: int, padding: int) -> tuple[tuple, ...]:
    return ('con', outputs, inputs, 5, 5, stride, padding), ('affine', outputs), ('relu',)


LAYERS = (
    *_block(16, 3, 2, 0),
    *_block(32, 16, 2, 0),
    *_block(32, 32, 2, 0),
    *_block(45, 32, 1, 2),
    *_block(45, 45, 1, 2),
    *_block(45, 45, 1, 2),
    ('con', 1, 45, 9, 9, 1, 4),
)
STEP = 8  # canvas px from one score to the next: three strides of 2
VIEW = 29  # canvas px that one cell of the first three convolutions sees
REACH = 10  # cells on each side that a score depends on beyond that: 2 + 2 + 2 + 4
MARGIN = 0.05  # more than short numbers ever err (0.012 on 275 faces)

Convolutions = list[tuple[torch.Tensor, torch.Tensor, int, int]]  # weight, bias, stride, padding


class DetectorNetwork:
    """The weights of `net` on a device; `dtype` is what it computes with, except where faces may be."""

    def __init__(self, net: DlibNet, device: torch.device, dtype: torch.dtype):
        self._mean = torch.tensor(net.input['mean'], device=device).view(1, 3, 1, 1)
        self._dtype = dtype
        self._exact = _convolutions(net, device, torch.float32)
        self._quick = _convolutions(net, device, dtype)

    def __call__(self, image: torch.Tensor, canvas: Canvas, weakest: float) -> np.ndarray:
        """Scores (h, w) float32 of an image (1, 3, H, W) float32, 0 to 255; exact wherever they exceed `weakest`."""
        tiled = self._tiled(image, canvas)
        if self._dtype == torch.float32:
            return _scores(tiled, self._exact)
        scores = _scores(tiled.to(self._dtype), self._quick)
        places = _places(scores > weakest - MARGIN)
        if sum(place.size for place in places) > tiled.shape[2] * tiled.shape[3] / 2:
            return _scores(tiled, self._exact)
        for place in places:
            rows, columns = place.pixels
            scores[place.cells] = _scores(tiled[:, :, rows, columns], self._exact)[place.inner]
        return scores

    def _tiled(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """All levels of the pyramid on one canvas, (1, 3, canvas height, canvas width) float32; 0 between them."""
        tiled = torch.zeros((1, canvas.height, canvas.width, 3), device=image.device).permute(0, 3, 1, 2)
        level = (image - self._mean) / 256
        for top, left, height, width in canvas.levels:
            if (height, width) != level.shape[2:]:
                level = F.interpolate(level, (height, width), mode='bilinear', align_corners=True)
            tiled[:, :, top : top + height, left : left + width] = level
        return tiled


def to_canvas(cell: int) -> int:
    """The canvas row (column) in the middle of the window that row (column) `cell` of the scores judges."""
    return STEP * cell + VIEW // 2


def _convolutions(net: DlibNet, device: torch.device, dtype: torch.dtype) -> Convolutions:
    return [
        (
            torch.from_numpy(weight).to(device, dtype).contiguous(memory_format=torch.channels_last),
            torch.from_numpy(bias).to(device, dtype),
            stride,
            padding,
        )
        for weight, bias, stride, padding in folded_convolutions(net)
    ]


def _scores(x: torch.Tensor, convolutions: Convolutions) -> np.ndarray:
    """(1, 3, H, W) to (h, w) float32."""
    for convolution in convolutions[:-1]:
        x = F.conv2d(x, *convolution).relu_()
    # The last convolution, 45 channels to 1, as products and then their sums at 81 places: half the time of conv2d with
    # a single output, and in fp32.
    weight, bias, _, padding = convolutions[-1]
    size = weight.shape[2]
    products = weight[0].flip(1, 2).flatten(1).float().T @ x[0].float().flatten(1)  # (81, h · w)
    scores = F.fold(products[None], x.shape[2:], size, padding=padding)[0, 0] + bias.float()
    return scores.cpu().numpy()


@dataclass(frozen=True)
class _Place:
    """Some cells of the scores, the canvas pixels they depend on, and where they lie in the scores of those pixels."""

    cells: tuple[slice, slice]
    pixels: tuple[slice, slice]
    inner: tuple[slice, slice]

    @property
    def size(self) -> int:
        rows, columns = self.pixels
        return (rows.stop - rows.start) * (columns.stop - columns.start)


def _places(mask: np.ndarray) -> list[_Place]:
    """One place around each group of cells that are set in `mask` (h, w)."""
    _, _, groups, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    places = []
    for left, top, width, height, _ in groups[1:].tolist():
        spans = _spans(top, height, mask.shape[0]), _spans(left, width, mask.shape[1])
        places.append(_Place(*zip(*spans, strict=True)))
    return places


def _spans(first: int, count: int, size: int) -> tuple[slice, slice, slice]:
    """Cells, pixels and inner cells along one axis. At the border of the scores the network pads with 0, here too."""
    begin, end = max(first - REACH, 0), min(first + count + REACH, size)
    pixels = slice(STEP * begin, STEP * (end - 1) + VIEW)
    return slice(first, first + count), pixels, slice(first - begin, first - begin + count)
