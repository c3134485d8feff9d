"""Selection of the positions and levels at which dlib's CNN has to look, from the outputs of the proposal network."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from affect_perception.detectors.proposals.canvas import LEVELS, OUT, ProposalCanvas, draw, proposal_canvas
from affect_perception.detectors.proposals.weights import load

THRESHOLD = -0.7  # estimated score from which dlib looks
MOST = 200  # proposals per image; the best by estimate


@dataclass(frozen=True, eq=False)
class Proposals:
    """N proposals, best estimate first.

    `level` (N,) int64, of dlib's pyramid (below 0: of the doubled image); `y`, `x` (N,) centre in image pixels;
    `score` (N,) estimates; `left_out`: proposals beyond MOST.
    """

    level: np.ndarray
    y: np.ndarray
    x: np.ndarray
    score: np.ndarray
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.score)

    def added(self, level: np.ndarray, y: np.ndarray, x: np.ndarray, score: float) -> Proposals:
        """Proposals with more of them, at an estimate of `score`."""
        levels, ys, xs = (np.append(old, new) for old, new in zip(self.places, (level, y, x), strict=True))
        return Proposals(levels, ys, xs, np.append(self.score, np.full(len(level), score)), self.left_out)

    def first(self, count: int) -> Proposals:
        """The best `count` proposals."""
        level, y, x = (values[:count] for values in self.places)
        return Proposals(level, y, x, self.score[:count], self.left_out)

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Level, y and x."""
        return self.level, self.y, self.x


class ProposalFinder:
    """Proposals of an image by the network in `path`, empty for the shipped one; ConfigError for another file."""

    def __init__(self, path: str | Path = '', threshold: float = THRESHOLD) -> None:
        self._network = load(path).folded()
        self.threshold = threshold

    def __call__(self, rgb: np.ndarray, enlarged: bool, lowest: float | None = None) -> Proposals:
        """Propose positions in an (H, W, 3) uint8 image, 10 px or more each side; with `enlarged` small faces too.

        `lowest`: estimate from which positions are proposed, in place of the threshold.
        """
        canvas = proposal_canvas(*rgb.shape[:2], enlarged)
        estimate = self.estimate(rgb, canvas)
        return self._selected(estimate, canvas, rgb.shape[:2], self.threshold if lowest is None else lowest)

    def estimate(self, rgb: np.ndarray, canvas: ProposalCanvas) -> np.ndarray:
        """Estimated scores (LEVELS, H / OUT, W / OUT) float32 on `canvas`."""
        pixels = torch.from_numpy(draw(rgb, canvas)).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            return self._network(pixels)[0].numpy()

    def _selected(
        self, estimate: np.ndarray, canvas: ProposalCanvas, size: tuple[int, ...], lowest: float
    ) -> Proposals:
        scores = np.full((*estimate.shape[1:], LEVELS), -np.inf, np.float32)  # none outside the scales
        scale_at = np.zeros(scores.shape[:2], np.int64)
        for number, scale in enumerate(canvas.scales):
            bottom, right = -(-(scale.top + scale.height) // OUT), -(-(scale.left + scale.width) // OUT)
            place = slice(scale.top // OUT, bottom), slice(scale.left // OUT, right)
            scores[place] = estimate.transpose(1, 2, 0)[place]
            scale_at[place] = number
        row, column, channel = _peaks(scores, lowest)
        score, number = scores[row, column, channel].astype(np.float64), scale_at[row, column]
        best = np.lexsort((column, row, channel, number, -score))[:MOST]
        y, x = _centroids(scores, row[best], column[best], channel[best])
        scales = np.array([dataclasses.astuple(scale) for scale in canvas.scales])
        top, left, height, width, first_level = scales[number[best]].T
        return Proposals(
            first_level + channel[best],
            ((y + 0.5) * OUT - top) / height * size[0],
            ((x + 0.5) * OUT - left) / width * size[1],
            score[best],
            len(score) - len(best),
        )


def _peaks(scores: np.ndarray, lowest: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and channel of the local maxima that reach `lowest` in each channel of (h, w, channels)."""
    highest = cv2.dilate(scores, np.ones((3, 3), np.uint8))
    row, column, channel = np.nonzero((scores >= lowest) & (scores >= highest))
    return row, column, channel


def _centroids(
    scores: np.ndarray, row: np.ndarray, column: np.ndarray, channel: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the centroid of what is near each peak, none of which is at the border of `scores`.

    dlib's score is nearly level over a few cells around a face; their centroid is steadier than the highest of them.
    """
    offsets = np.arange(-1, 2)
    around = scores[row[:, None, None] + offsets[:, None], column[:, None, None] + offsets, channel[:, None, None]]
    weight = np.maximum(around - (around[:, 1:2, 1:2] - 0.6), 0)
    total = weight.sum((1, 2))
    return row + (weight * offsets[:, None]).sum((1, 2)) / total, column + (weight * offsets).sum((1, 2)) / total
