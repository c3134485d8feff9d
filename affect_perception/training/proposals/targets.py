"""Targets of the proposal network: dlib's own scores of a picture, at the network's resolution."""

from __future__ import annotations

import cv2
import numpy as np

from affect_perception.detectors.dlib.pyramid import Canvas
from affect_perception.detectors.proposals.canvas import LEVELS, OUT, ProposalCanvas
from affect_perception.training.proposals.cells import cells_near, outputs_inside

UNKNOWN = np.float32('nan')


def targets(scores: np.ndarray, canvas: Canvas, proposals: ProposalCanvas) -> np.ndarray:
    """(LEVELS, H / OUT, W / OUT) float32: for each output the highest of dlib's scores of the 3 × 3 cells around it.

    `scores` (h, w) are dlib's on `canvas`; NaN outside the scales, and for levels that dlib's canvas lacks.
    """
    highest = cv2.dilate(scores, np.ones((3, 3), np.uint8))
    cells = target_cells(canvas, proposals, (scores.shape[0], scores.shape[1]))
    return np.where(cells < 0, UNKNOWN, highest.ravel()[cells])


def target_cells(canvas: Canvas, proposals: ProposalCanvas, size: tuple[int, int]) -> np.ndarray:
    """(LEVELS, H / OUT, W / OUT) int64: index of each output's cell in dlib's score map of `size`; −1: none."""
    result = np.full((LEVELS, proposals.height // OUT, proposals.width // OUT), -1)
    for scale in proposals.scales:
        rows, columns = outputs_inside(scale)
        for channel in range(LEVELS):
            level = scale.first_level + channel
            if not 0 <= level < len(canvas.levels):
                continue
            y, x = cells_near(scale, canvas, level, rows, columns)
            y, x = y.clip(0, size[0] - 1), x.clip(0, size[1] - 1)
            result[channel, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = y[:, None] * size[1] + x
    return result
