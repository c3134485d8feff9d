"""Order in which proposals are looked at: in rounds, so that what is seen saves looking at others of the same face.

dlib's score of a clear face is level, 1 within 0.1, over two or three neighbouring levels: the margin that the network
was trained for. A run over the whole picture takes the highest of them, which noise decides; here the first one looked
at, in their middle, is kept from `settled` on (infinity: all are looked at).
"""

from __future__ import annotations

import numpy as np

SETTLED = 0.95
_BELOW = 0.3  # estimates this much below a face's score are not looked at
_SURE = 0.3  # score from which a face has no other one at its middle, much larger or smaller
_CARRIED = 0.3  # share of the error of an estimate by which the estimates around it are corrected
_FLOOR = -1.1  # estimates tell scores below apart no further


class ProposalSearch:
    """Search over N proposals of one image.

    `estimates` (N,): dlib's score as estimated; `overlaps` (N, N): whether dlib would keep only one of two;
    `concentric` (N, N): whether two have nearly the same middle; `levels` (N,) of the pyramid; `settled`: score of a
    face from which no other level of that face is looked at. `refused`: indices of places without a face.
    """

    def __init__(
        self, estimates: np.ndarray, levels: np.ndarray, overlaps: np.ndarray, concentric: np.ndarray, settled: float
    ) -> None:
        self._estimates = estimates.astype(np.float64)
        self._overlaps, self._around_middle = overlaps, concentric & ~overlaps
        self._settled = settled
        self._open = np.ones(len(estimates), bool)
        self.refused: list[int] = []
        # In the middle of the levels that a face has, where the estimates on both sides are high as well.
        step = levels[None] - levels[:, None]
        self._beside = overlaps & (step == 0)
        sides = [np.where(overlaps & (step == s), estimates[None], _FLOOR).max(1, initial=_FLOOR) for s in (-1, 1)]
        self._middle = 0.5 * (sides[0] + sides[1])

    def next_round(self, threshold: float) -> np.ndarray:
        """Indices of the best open proposals from `threshold` on that cannot be of one face; empty at the end."""
        order = np.argsort(-(self._estimates + self._middle), kind='stable')
        rivals = self._overlaps | self._around_middle
        chosen: list[int] = []
        for i in order[(self._open & (self._estimates >= threshold))[order]].tolist():
            if not rivals[i, chosen].any():
                chosen.append(i)
        return np.array(chosen, np.int64)

    def record(self, index: int, score: float) -> None:
        """Close a proposal at which dlib's highest score is `score`, and those that this makes pointless."""
        self._open[index] = False
        around = self._overlaps[index] & self._open
        error = max(score, _FLOOR) - self._estimates[index]
        if score >= 0:
            pointless = around & ((score >= self._settled) | (self._estimates < score - _BELOW))
            if score >= _SURE:
                pointless |= self._around_middle[index]
        else:
            self._estimates[around] += _CARRIED * min(error, 0)
            pointless = around & self._beside[index]
            self.refused += [index, *np.flatnonzero(pointless).tolist()]
        self._open[pointless] = False

    def drop(self, indices: np.ndarray) -> None:
        """Close proposals unseen."""
        self._open[indices] = False
