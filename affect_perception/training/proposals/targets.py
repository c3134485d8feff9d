"""Targets of the proposal network: dlib's own scores of a picture, at the network's resolution."""

from __future__ import annotations

import cv2
import numpy as np

from affect_perception.detectors.dlib.cells import cells_near, outputs_inside
from affect_perception.detectors.dlib.pyramid import Canvas
from affect_perception.detectors.proposals.canvas import LEVELS, OUT, ProposalCanvas

UNKNOWN = np.float32('nan')


def targets(scores: np.ndarray, canvas: Canvas, proposals: ProposalCanvas) -> np.ndarray:
    """(LEVELS, H / OUT, W / OUT) float32: for each output the highest of dlib's scores of the 3 × 3 cells around it.

    `scores` (h, w) are dlib's on `canvas`; NaN outside the scales, and for levels that dlib's canvas lacks.
    """
    highest = cv2.dilate(scores, np.ones((3, 3), np.uint8))
    result = np.full((LEVELS, proposals.height // OUT, proposals.width // OUT), UNKNOWN, np.float32)
    for scale in proposals.scales:
        rows, columns = outputs_inside(scale)
        for channel in range(LEVELS):
            level = scale.first_level + channel
            if not 0 <= level < len(canvas.levels):
                continue
            y, x = cells_near(scale, canvas, level, rows, columns)
            y, x = y.clip(0, scores.shape[0] - 1), x.clip(0, scores.shape[1] - 1)
            result[channel, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = highest[np.ix_(y, x)]
    return result
