"""dlib's network on windows of a canvas: for a few cells the same scores as from a run over the whole.

A score depends on the REACH cells around it. All windows have one size, so that the convolutions' kernels are made
once and several windows are one batch; cells beyond the border of the canvas are set to 0 after each layer, as the
layers' padding does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from affect_perception.detectors.dlib.network import REACH, Convolutions, Tile
from affect_perception.detectors.dlib.pyramid import STEP, VIEW

SIDE = 3  # cells, odd; height and width of a window: dlib's score of a face is nearly level over 3 × 3 cells
PIXELS = STEP * (SIDE + 2 * REACH - 1) + VIEW  # side of what the scores of a window depend on, canvas px
_PADDINGS = (2, 2, 2, 4)  # of the last four convolutions
_BATCH = 4  # windows; more do not fit into the cache


def window_scores(
    corners: Sequence[tuple[int, int]], tile: Tile, size: tuple[int, int], convolutions: Convolutions
) -> np.ndarray:
    """Scores (N, SIDE, SIDE) float32 of the windows whose first cells (row, column) are `corners`.

    `size`: rows and columns of the whole score map; `tile` gives pixels. Cells outside `size` have scores of no
    meaning.
    """
    scores = np.empty((len(corners), SIDE, SIDE), np.float32)
    for first in range(0, len(corners), _BATCH):
        batch = corners[first : first + _BATCH]
        scores[first : first + len(batch)] = _batch_scores(batch, tile, size, convolutions)
    return scores


def _batch_scores(
    corners: Sequence[tuple[int, int]], tile: Tile, size: tuple[int, int], convolutions: Convolutions
) -> np.ndarray:
    pixels = np.empty((len(corners), PIXELS, PIXELS, 3), np.float32)
    for (row, column), place in zip(corners, pixels, strict=True):
        tile(STEP * (row - REACH), STEP * (column - REACH), place)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2)  # channels last in memory
    for weight, bias, stride, _ in convolutions[:3]:
        x = F.conv2d(x, weight, bias, stride).relu_()
    reach = REACH
    for (weight, bias, _, _), padding in zip(convolutions[3:], _PADDINGS, strict=True):
        for (row, column), one in zip(corners, x, strict=True):
            _clear_outside(one, row - reach, column - reach, size)
        x = F.conv2d(x, weight, bias)
        reach -= padding
        if reach:
            x = x.relu_()
    return x[:, 0].numpy()


def _clear_outside(x: torch.Tensor, row: int, column: int, size: tuple[int, int]) -> None:
    """Set the cells of x (C, h, w), whose first one is (row, column), to 0 where they lie outside `size`."""
    if row < 0:
        x[:, :-row] = 0
    if column < 0:
        x[:, :, :-column] = 0
    if (beyond := row + x.shape[1] - size[0]) > 0:
        x[:, -beyond:] = 0
    if (beyond := column + x.shape[2] - size[1]) > 0:
        x[:, :, -beyond:] = 0
