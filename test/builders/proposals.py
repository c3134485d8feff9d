"""Proposals that are given, in place of those that the proposal network makes."""

import numpy as np

from affect_perception.detectors.proposals.canvas import LEVELS, OUT
from affect_perception.detectors.proposals.finder import ProposalFinder


class FixedFinder(ProposalFinder):
    """Proposes from given estimates: a function of the canvas to (LEVELS, H / OUT, W / OUT)."""

    def __init__(self, estimates):
        self.threshold = -0.8
        self._estimates = estimates

    def estimate(self, rgb, canvas):
        return self._estimates(canvas)


def everywhere(canvas):
    return np.zeros((LEVELS, canvas.height // OUT, canvas.width // OUT), np.float32)


def nowhere(canvas):
    return everywhere(canvas) - 9


def at_places(*places):
    """Estimates at places (level, y, x, estimate) of the image, each in one output; nowhere else.

    Places beyond the canvas are at its edge; those of levels that it lacks are nowhere.
    """

    def estimates(canvas):
        values = nowhere(canvas)
        for level, y, x, estimate in places:
            scale = next((one for one in canvas.scales if 0 <= level - one.first_level < LEVELS), None)
            if scale is None:  # of the enlarged picture, which is not asked for
                continue
            # Image pixels per pixel of the canvas: the first scale is at a quarter, or enlarged at half of the size.
            unit = canvas.scales[0].height / scale.height * (2 if canvas.scales[0].first_level else 4)
            row, column = int((scale.top + y / unit) / OUT), int((scale.left + x / unit) / OUT)
            _, rows, columns = values.shape
            values[level - scale.first_level, min(row, rows - 1), min(column, columns - 1)] = estimate
        return values

    return estimates
