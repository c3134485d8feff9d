"""dlib's network on windows of a canvas: for a few cells the same scores as from a run over the whole.

A score depends on the REACH cells around it. All windows have one of a few sizes, so that the convolutions' kernels
are made once; cells beyond the border of the canvas are set to 0 after each layer, as the layers' padding does.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from affect_perception.detectors.dlib.pyramid import STEP, VIEW

REACH = 10  # cells on each side that a score depends on: 2 + 2 + 2 + 4
SIDES = (4, 8, 12)  # cells; heights and widths of windows
_PADDINGS = (2, 2, 2, 4)  # of the last four convolutions
_COSTS = (96, 36, 51, 51)  # relative cost per cell of the first three convolutions and of the next three
_MOST_JOINED = 100

Window = tuple[int, int, int, int]  # first row, first column, rows, columns; in cells
Tile = Callable[[int, int, int, int], torch.Tensor]
Convolutions = list[tuple[torch.Tensor, torch.Tensor, int, int]]


def windows_for(mask: np.ndarray) -> list[Window]:
    """Cover the cells set in `mask` (h, w) with windows of the usual sizes; they may reach over the border."""
    _, _, groups, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    boxes = [(top, left, height, width) for left, top, width, height, _ in groups[1:].tolist()]
    windows: list[Window] = []
    for top, left, height, width in _merged(boxes):
        for row, rows in _pieces(top, height):
            windows += [(row, column, rows, columns) for column, columns in _pieces(left, width)]
    return windows


def pixels_of(window: Window) -> tuple[int, int, int, int]:
    """Top, left, height and width on the canvas, px, of what the scores of a window depend on."""
    row, column, rows, columns = window
    height, width = (STEP * (cells + 2 * REACH - 1) + VIEW for cells in (rows, columns))
    return STEP * (row - REACH), STEP * (column - REACH), height, width


def window_scores(window: Window, tile: Tile, size: tuple[int, int], convolutions: Convolutions) -> np.ndarray:
    """Scores (rows, columns) of a window; `size`: rows and columns of the whole score map; `tile` gives pixels."""
    row, column = window[:2]
    x = tile(*pixels_of(window))
    for weight, bias, stride, _ in convolutions[:3]:
        x = F.conv2d(x, weight, bias, stride).relu_()
    reach = REACH
    for (weight, bias, _, _), padding in zip(convolutions[3:], _PADDINGS, strict=True):
        _clear_outside(x, row - reach, column - reach, size)
        x = F.conv2d(x, weight, bias)
        reach -= padding
        if reach:
            x = x.relu_()
    return x[0, 0].numpy()


def _clear_outside(x: torch.Tensor, row: int, column: int, size: tuple[int, int]) -> None:
    """Set the cells of x (1, C, h, w), whose first one is (row, column), to 0 where they lie outside `size`."""
    if row < 0:
        x[:, :, :-row] = 0
    if column < 0:
        x[:, :, :, :-column] = 0
    if (beyond := row + x.shape[2] - size[0]) > 0:
        x[:, :, -beyond:] = 0
    if (beyond := column + x.shape[3] - size[1]) > 0:
        x[:, :, :, -beyond:] = 0


def _pieces(first: int, count: int) -> list[tuple[int, int]]:
    """Split `count` cells from `first` on into pieces (first, size) of the usual sizes."""
    pieces = []
    while count > 0:
        side = next((side for side in SIDES if side >= count), SIDES[-1])
        pieces.append((first, side))
        first, count = first + side, count - side
    return pieces


def cost(height: int, width: int) -> float:
    """Relative cost of a window of `height` × `width` cells."""
    sides = [next((side for side in SIDES if side >= cells), cells) for cells in (height, width)]
    return sum(
        share * (sides[0] + 2 * reach) * (sides[1] + 2 * reach)
        for share, reach in zip(_COSTS, (10, 8, 6, 4), strict=True)
    )


def _merged(boxes: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Join boxes (top, left, height, width) where one window costs less than two.

    More than _MOST_JOINED boxes stay as they are: comparing all pairs would take longer than what it saves.
    """
    if len(boxes) > _MOST_JOINED:
        return boxes
    i = len(boxes) - 1
    while i > 0:
        top, left, height, width = boxes[i]
        for j in range(i):
            y, x, h, w = boxes[j]
            first, start = min(top, y), min(left, x)
            rows, columns = max(top + height, y + h) - first, max(left + width, x + w) - start
            if max(rows, columns) <= SIDES[-1] and cost(rows, columns) < cost(height, width) + cost(h, w):
                boxes[j] = first, start, rows, columns
                del boxes[i]
                i = len(boxes)
                break
        i -= 1
    return boxes
