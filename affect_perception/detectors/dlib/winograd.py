"""Winograd convolutions of stride 1 with a third of the multiplications: minimal filtering along the rows' axis.

Winograd 1980; Lavin and Gray 2016, arXiv 1509.09308. Only one of the two directions is transformed: six output rows
come from ten input rows by ten convolutions of one row each, where thirty were needed. That leaves wide convolutions,
which CPUs run well, and loses little precision: 1e-5 in the scores of dlib's detector. What it gains: `network.py`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

ROWS = 6  # output rows per group
_POINTS = (
    1.0,
    -1.0,
    0.0,
    0.5,
    -0.5,
    2.0,
    -2.0,
    1.4,
    -1.4,
)  # interpolation points; these, with infinity, have the smallest rounding error found
_BLOCK = 28  # groups per step: few enough for the cache, enough for efficient convolutions


def transforms(rows: int, taps: int, points: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Toom-Cook transforms of output (n, rows), filter (n, taps) and input (n, n), float64; n = rows + taps - 1.

    With `points`, n - 1 different numbers, output.T @ ((filter @ f) * (input @ x)) are the sums of f[k] * x[i + k]. The
    first row of `output` is of ones if the first point is 1.
    """
    n = rows + taps - 1
    powers = {count: np.vander(points, count, increasing=True) for count in (rows, taps, n)}
    output, filters, whole = (np.vstack([powers[count], np.eye(count)[-1]]) for count in (rows, taps, n))
    inputs = np.linalg.inv(whole).T
    size = np.abs(inputs).sum(axis=1, keepdims=True)  # values of one magnitude lose less when they are added
    return output, filters * size, inputs / size


class Scratch:
    """Reusable buffers: page faults of fresh large arrays cost more than what is computed in them."""

    def __init__(self) -> None:
        self._kept: dict[str, torch.Tensor] = {}

    def of(self, name: str, *shape: int) -> torch.Tensor:
        """Return an uninitialised float32 buffer; invalidates the buffer returned for `name` before."""
        count = math.prod(shape)
        if name not in self._kept or self._kept[name].numel() < count:
            self._kept[name] = torch.empty(count)
        return self._kept[name][:count].view(shape)


class Winograd:
    """Same-size convolution with ReLU on the CPU; `weight` (O, C, K, K) with K odd, `bias` (O,)."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        self._outputs, self._inputs, self._taps, _ = weight.shape
        output, filters, inputs = transforms(ROWS, self._taps, _POINTS)
        weights = torch.einsum('nk,oikx->noix', torch.from_numpy(filters), weight.double()).float()
        self._weights = [w[:, :, None].contiguous(memory_format=torch.channels_last) for w in weights]
        self._bias = bias
        self._to_input, self._to_output = (torch.from_numpy(m).float().contiguous() for m in (inputs, output.T))

    def __call__(self, x: torch.Tensor, scratch: Scratch, name: str) -> torch.Tensor:
        """Map (1, C, H, W) to (1, O, H, W), channels last; the output is the buffer `name` of `scratch`."""
        _, _, height, width = x.shape
        n, edge = len(self._weights), self._taps // 2
        groups = -(-height // ROWS)
        row, row_out = width * self._inputs, width * self._outputs
        padded = scratch.of('padded', groups * ROWS + 2 * edge, row)
        padded[:edge] = padded[edge + height :] = 0
        padded[edge : edge + height].view(height, width, -1).copy_(x[0].permute(1, 2, 0))
        output = scratch.of(name, groups, ROWS, row_out)
        for first in range(0, groups, _BLOCK):
            count = min(_BLOCK, groups - first)
            around = padded[first * ROWS :].as_strided((count, n, row), (ROWS * row, row, 1))  # overlapping views
            spectrum = scratch.of('spectrum', n, count, row)
            torch.bmm(self._to_input.expand(count, n, n), around, out=spectrum.transpose(0, 1))
            products = scratch.of('products', n, count, row_out)
            for i, weight in enumerate(self._weights):
                image = spectrum[i].view(1, count, width, -1).permute(0, 3, 1, 2)
                bias = self._bias if i == 0 else None  # of point 1, which is in every output row once
                product = F.conv2d(image, weight, bias, padding=(0, edge))
                products[i].view(count, width, -1).copy_(product[0].permute(1, 2, 0))
            blocks = self._to_output.expand(count, ROWS, n)
            torch.bmm(blocks, products.transpose(0, 1), out=output[first : first + count])
        return output.relu_().view(1, groups * ROWS, width, -1)[:, :height].permute(0, 3, 1, 2)
