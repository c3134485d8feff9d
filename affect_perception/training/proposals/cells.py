"""Cells of dlib's score map that belong to the outputs of the proposal network."""

from __future__ import annotations

import numpy as np

from affect_perception.detectors.dlib.pyramid import STEP, VIEW, Canvas
from affect_perception.detectors.proposals.canvas import OUT, Scale


def cells_near(
    scale: Scale, canvas: Canvas, level: int, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and the column of dlib's cell on `level` that is nearest to each output (row, column) of `scale`.

    int64 of the shapes given; may lie outside the score map.
    """
    top, left, height, width = canvas.levels[level]
    y = ((rows + 0.5) * OUT - scale.top) / scale.height * height + top
    x = ((columns + 0.5) * OUT - scale.left) / scale.width * width + left
    return np.rint((y - VIEW / 2) / STEP).astype(np.int64), np.rint((x - VIEW / 2) / STEP).astype(np.int64)


def outputs_inside(scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the columns of the network's outputs that lie inside `scale`, at least in part."""
    rows = np.arange(scale.top // OUT, -(-(scale.top + scale.height) // OUT))
    columns = np.arange(scale.left // OUT, -(-(scale.left + scale.width) // OUT))
    return rows, columns
