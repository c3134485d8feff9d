"""Network of dlib's CNN face detector in PyTorch: from an image to a score for each cell of its canvas.

Convolution, affine layer and ReLU are one step, in channels-last memory. Half precision (bf16, fp16) is fast, but
neighbouring windows score within 0.01 of each other, and rounding picks the wrong one for one face in twenty. So half
precision only selects regions that may hold faces; these are computed again in fp32, and the scores are those of fp32.

On the CPU in fp32 the first three convolutions run over the canvas in strips that fit into the cache, and the next
three are Winograd's (`winograd.py`). CPU time relative to plain PyTorch layers at 1280×720 (640×480) on one AVX2 core:
strips 0.75 (0.93), strips and Winograd 0.62 (0.78); plain layers by OpenVINO 0.75 (0.92), by MNN 0.80 (0.93) with
scores off by 4e-4, by ONNX Runtime 0.90 (0.99). Measured by benchmarks/detector_network.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from affect_perception.detectors.dlib.pyramid import STEP, VIEW, Canvas
from affect_perception.detectors.dlib.weights import DlibNet, folded_convolutions
from affect_perception.detectors.dlib.winograd import Scratch, Winograd


def _block(outputs: int, inputs: int, stride: int, padding: int) -> tuple[tuple[object, ...], ...]:
    return ('con', outputs, inputs, 5, 5, stride, padding), ('affine', outputs), ('relu',)


LAYERS: tuple[tuple[object, ...], ...] = (
    *_block(16, 3, 2, 0),
    *_block(32, 16, 2, 0),
    *_block(32, 32, 2, 0),
    *_block(45, 32, 1, 2),
    *_block(45, 45, 1, 2),
    *_block(45, 45, 1, 2),
    ('con', 1, 45, 9, 9, 1, 4),
)
REACH = 10  # cells on each side that a score depends on: 2 + 2 + 2 + 4
MARGIN = 0.05  # above the largest error of half precision (0.012 on 275 faces)
_STRIP = 16  # rows of cells per strip: its intermediates are 5 MB at 1280 px
_ROWS = 32  # rows of a level per resizing step, for the same reason

Convolutions = list[tuple[torch.Tensor, torch.Tensor, int, int]]  # weight, bias, stride, padding
Tile = Callable[[int, int, np.ndarray], None]  # writes the canvas pixels from (top, left) on into (height, width, 3)


class DetectorNetwork:
    """Network with the weights of `net` on a device; `dtype` selects regions, fp32 scores them. For one thread."""

    def __init__(self, net: DlibNet, device: torch.device, dtype: torch.dtype) -> None:
        self._mean = torch.tensor(net.input['mean'], device=device)
        self.mean = np.array(net.input['mean'], np.float32)  # of the three colours, subtracted from the pixels
        self._dtype = dtype
        self.exact = _convolutions(net, device, torch.float32)
        self._quick = _convolutions(net, device, dtype)
        self._winograd = (
            [Winograd(weight, bias) for weight, bias, *_ in self.exact[3:6]] if device.type == 'cpu' else []
        )
        self.scratch = Scratch()
        self._canvas: tuple[Canvas, torch.Tensor] | None = None

    def __call__(self, image: torch.Tensor, canvas: Canvas, lowest: float) -> np.ndarray:
        """Map an image (1, 3, H, W) float32, 0 to 255, to scores (h, w) float32; exact where they exceed `lowest`."""
        tiled = self._tiled(image, canvas)
        if self._dtype == torch.float32:
            return self._all_exact(tiled)
        scores = _scores(tiled.to(self._dtype), self._quick)
        regions = _regions(scores > lowest - MARGIN)
        if sum(region.size for region in regions) > tiled.shape[2] * tiled.shape[3] / 2:
            return self._all_exact(tiled)
        for region in regions:
            rows, columns = region.pixels
            scores[region.cells] = _scores(tiled[:, :, rows, columns], self.exact)[region.inner]
        return scores

    def _all_exact(self, tiled: torch.Tensor) -> np.ndarray:
        if not self._winograd:
            return _scores(tiled, self.exact)
        x = self._cells(tiled)
        for number, convolution in enumerate(self._winograd):
            x = convolution(x, self.scratch, f'answer {number}')
        weight, bias, _, padding = self.exact[6]
        return _last_layer(x, weight, bias, padding)

    def _cells(self, tiled: torch.Tensor) -> torch.Tensor:
        """Run the first three convolutions strip by strip: (1, 3, H, W) to (1, 32, h, w)."""
        height, width = ((side - VIEW) // STEP + 1 for side in tiled.shape[2:])
        cells = self.scratch.of('cells', 1, height, width, self.exact[2][0].shape[0]).permute(0, 3, 1, 2)
        for first in range(0, height, _STRIP):
            last = min(first + _STRIP, height)
            x = tiled[:, :, STEP * first : STEP * (last - 1) + VIEW]
            for convolution in self.exact[:3]:
                x = F.conv2d(x, *convolution).relu_()
            cells[:, :, first:last] = x
        return cells

    def _tiled(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """Draw all pyramid levels on the canvas: (1, 3, canvas height, canvas width) float32, 0 between them."""
        if self._canvas is None or self._canvas[0] != canvas:
            self._canvas = canvas, torch.zeros((canvas.height, canvas.width, 3), device=image.device)
        tiled = self._canvas[1]
        level = None
        for top, left, height, width in canvas.levels:
            place = tiled[top : top + height, left : left + width]
            if level is None:
                _subtract(image[0].permute(1, 2, 0), self._mean, place)
            else:
                _shrink(level, place)
            level = place
        return tiled.permute(2, 0, 1)[None]


def to_canvas(cell: int) -> int:
    """Return the canvas row (column) at the centre of the window of row (column) `cell` of the scores."""
    return STEP * cell + VIEW // 2


def _subtract(image: torch.Tensor, mean: torch.Tensor, into: torch.Tensor) -> None:
    """Write (H, W, 3), less `mean` (3,) and over 256, into (H, W, 3), with long rows: a third of the time."""
    means = mean.repeat(image.shape[1])
    if image.stride() != (3 * image.shape[1], 3, 1):
        image = image.contiguous()
    image, into = (x.as_strided((len(x), means.numel()), (x.stride(0), 1)) for x in (image, into))
    step = len(into) if into.is_cuda else _ROWS
    for rows in (slice(first, first + step) for first in range(0, len(into), step)):
        torch.sub(image[rows], means, out=into[rows]).mul_(1 / 256)


def _shrink(level: torch.Tensor, into: torch.Tensor) -> None:
    """Resize (H, W, 3) to the smaller (h, w, 3), bilinear with aligned corners; rows first, then columns.

    Four times as fast as F.interpolate on the CPU, which computes three numbers at a time.
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
    level, into = (x.as_strided((len(x), x.shape[1] * 3), (x.stride(0), 1)) for x in (level, into))
    for rows in (slice(first, first + _ROWS) for first in range(0, len(into), _ROWS)):
        lower = level.index_select(0, above[rows]).lerp_(level.index_select(0, below[rows]), down[rows])
        torch.lerp(lower.index_select(1, left), lower.index_select(1, right), across, out=into[rows])


def _between(size: int, places: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return each of `places` output samples' two neighbours among `size` inputs, and the weight of the second."""
    at = torch.arange(places) * torch.tensor((size - 1) / max(places - 1, 1), dtype=torch.float32)
    first = at.long()
    return first, (first + 1).clamp_(max=size - 1), at - first


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
    """Run all layers plainly: (1, 3, H, W) to scores (h, w) float32."""
    for convolution in convolutions[:-1]:
        x = F.conv2d(x, *convolution).relu_()
    # The last convolution, 45 channels to 1, as products and then sums over 81 offsets: half the time of conv2d with a
    # single output, and in fp32.
    weight, bias, _, padding = convolutions[-1]
    size = weight.shape[2]
    products = weight[0].flip(1, 2).flatten(1).float().T @ x[0].float().flatten(1)  # (81, h · w)
    scores = F.fold(products[None], x.shape[2:], size, padding=padding)[0, 0] + bias.float()
    return scores.cpu().numpy()


def _last_layer(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, padding: int) -> np.ndarray:
    """Run the last convolution, (1, 45, H, W) to (H, W) float32: the kernel's rows as channels, then their sum."""
    size, (height, width) = weight.shape[2], x.shape[2:]
    rows = F.conv2d(x, weight[0].permute(1, 0, 2)[:, :, None], padding=(0, padding))[0]  # (9, H, W)
    scores = torch.zeros(height + 2 * padding, width)
    for i in range(size):
        scores[size - 1 - i :][:height] += rows[i]
    return scores[padding : padding + height].add_(bias).numpy()


@dataclass(frozen=True)
class _Region:
    """Cells of the scores, the canvas pixels they depend on, and the same cells within the scores of those pixels."""

    cells: tuple[slice, slice]
    pixels: tuple[slice, slice]
    inner: tuple[slice, slice]

    @property
    def size(self) -> int:
        rows, columns = self.pixels
        return (rows.stop - rows.start) * (columns.stop - columns.start)


def _regions(mask: np.ndarray) -> list[_Region]:
    """Return a region around each connected group of cells set in `mask` (h, w)."""
    _, _, groups, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    regions = []
    for left, top, width, height, _ in groups[1:].tolist():
        spans = _spans(top, height, mask.shape[0]), _spans(left, width, mask.shape[1])
        regions.append(_Region(*zip(*spans, strict=True)))
    return regions


def _spans(first: int, count: int, size: int) -> tuple[slice, slice, slice]:
    """Return cells, pixels and inner cells along one axis; at the border regions are padded with 0 as the network."""
    begin, end = max(first - REACH, 0), min(first + count + REACH, size)
    pixels = slice(STEP * begin, STEP * (end - 1) + VIEW)
    return slice(first, first + count), pixels, slice(first - begin, first - begin + count)
