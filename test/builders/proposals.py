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
    """Estimates at places (level, y, x, estimate) of the image, each in one cell of the level; nowhere else."""

    def estimates(canvas):
        values = nowhere(canvas)
        for level, y, x, estimate in places:
            scale = canvas.scales[level // LEVELS]
            unit = canvas.scales[0].height / scale.height * 4  # image pixels per pixel of the canvas
            row, column = int((scale.top + y / unit) / OUT), int((scale.left + x / unit) / OUT)
            values[level % LEVELS, row, column] = estimate
        return values

    return estimates
