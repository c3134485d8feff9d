"""Convolutions of stride 1 with a third of the multiplications: minimal filtering down the columns of a picture.

Winograd 1980; Lavin and Gray 2016, arXiv 1509.09308. Of the two directions only one is transformed: six rows of the
answer come from ten rows of the picture by ten convolutions of one row each, where thirty were needed. That leaves wide
convolutions, which processors are good at, and loses little precision: 1e-5 in the scores of dlib's detector.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

ROWS = 6  # of the answer that are computed together
_POINTS = (1.0, -1.0, 0.0, 0.5, -0.5, 2.0, -2.0, 1.4, -1.4)  # any would do; these, with infinity, round the least
_BLOCK = 28  # groups of rows worked on at once: few enough for the cache, many enough for the convolutions


def transforms(rows: int, taps: int, points: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For `rows` answers of a filter of `taps`: of the answer (n, rows), filter (n, taps), input (n, n) float64.

    n = rows + taps - 1, `points` n - 1 different numbers (Toom-Cook): answer.T @ ((filter @ f) * (input @ x)) are the
    sums of f[k] * x[i + k]. The first row of `answer` is of ones if the first point is 1.
    """
    n = rows + taps - 1
    powers = {count: np.vander(points, count, increasing=True) for count in (rows, taps, n)}
    answer, filters, whole = (np.vstack([powers[count], np.eye(count)[-1]]) for count in (rows, taps, n))
    inputs = np.linalg.inv(whole).T
    size = np.abs(inputs).sum(axis=1, keepdims=True)  # numbers of one size lose less when they are added
    return answer, filters * size, inputs / size


class Scratch:
    """Memory that is used again: the pages of fresh large arrays cost more than what is computed in them."""

    def __init__(self):
        self._kept: dict[str, torch.Tensor] = {}

    def of(self, name: str, *shape: int) -> torch.Tensor:
        """Float32 of that shape, with whatever stands there; what was got by that name before is no longer valid."""
        count = int(np.prod(shape))
        if name not in self._kept or self._kept[name].numel() < count:
            self._kept[name] = torch.empty(count)
        return self._kept[name][:count].view(shape)


class Winograd:
    """A convolution that keeps the size, and ReLU, on the CPU. `weight` (O, C, K, K) with K odd, `bias` (O,)."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        self._outputs, self._inputs, self._taps, _ = weight.shape
        answer, filters, inputs = transforms(ROWS, self._taps, _POINTS)
        weights = torch.einsum('nk,oikx->noix', torch.from_numpy(filters), weight.double()).float()
        self._weights = [w[:, :, None].contiguous(memory_format=torch.channels_last) for w in weights]
        self._bias = bias
        self._to_input, self._to_answer = (torch.from_numpy(m).float().contiguous() for m in (inputs, answer.T))

    def __call__(self, x: torch.Tensor, scratch: Scratch, name: str) -> torch.Tensor:
        """(1, C, H, W) to (1, O, H, W), channels last in memory; the answer lives in `scratch` under `name`."""
        _, _, height, width = x.shape
        n, edge = len(self._weights), self._taps // 2
        groups = -(-height // ROWS)
        row, row_out = width * self._inputs, width * self._outputs
        padded = scratch.of('padded', groups * ROWS + 2 * edge, row)
        padded[:edge] = padded[edge + height :] = 0
        padded[edge : edge + height].view(height, width, -1).copy_(x[0].permute(1, 2, 0))
        answer = scratch.of(name, groups, ROWS, row_out)
        for first in range(0, groups, _BLOCK):
            count = min(_BLOCK, groups - first)
            around = padded[first * ROWS :].as_strided((count, n, row), (ROWS * row, row, 1))  # they overlap
            spectrum = scratch.of('spectrum', n, count, row)
            torch.bmm(self._to_input.expand(count, n, n), around, out=spectrum.transpose(0, 1))
            products = scratch.of('products', n, count, row_out)
            for i, weight in enumerate(self._weights):
                picture = spectrum[i].view(1, count, width, -1).permute(0, 3, 1, 2)
                bias = self._bias if i == 0 else None  # of the point 1, which counts once in every row
                product = F.conv2d(picture, weight, bias, padding=(0, edge))
                products[i].view(count, width, -1).copy_(product[0].permute(1, 2, 0))
            blocks = self._to_answer.expand(count, ROWS, n)
            torch.bmm(blocks, products.transpose(0, 1), out=answer[first : first + count])
        return answer.relu_().view(1, groups * ROWS, width, -1)[:, :height].permute(0, 3, 1, 2)
