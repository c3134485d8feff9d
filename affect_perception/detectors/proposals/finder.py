"""Selection of the positions and levels at which dlib's CNN has to look, from the outputs of the proposal network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from affect_perception.detectors.proposals.canvas import OUT, ProposalCanvas, Scale, draw, proposal_canvas
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
        parts = []
        for scale in canvas.scales:
            top, left = scale.top // OUT, scale.left // OUT
            bottom, right = -(-(scale.top + scale.height) // OUT), -(-(scale.left + scale.width) // OUT)
            for channel, plane in enumerate(estimate[:, top:bottom, left:right]):
                y, x, score = _peaks(plane, lowest)
                place = _in_image(y + top, x + left, scale, size)
                parts.append(np.stack([np.full(len(y), scale.first_level + channel), *place, score]))
        level, y, x, score = np.concatenate(parts, axis=1)
        order = np.argsort(-score, kind='stable')
        best = order[:MOST]
        return Proposals(level[best].astype(np.int64), y[best], x[best], score[best], len(order) - len(best))


def _in_image(y: np.ndarray, x: np.ndarray, scale: Scale, size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Map outputs (row, column; fractions allowed) to image pixels."""
    height, width = size[:2]
    return (
        ((y + 0.5) * OUT - scale.top) / scale.height * height,
        ((x + 0.5) * OUT - scale.left) / scale.width * width,
    )


def _peaks(plane: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Local maxima (row, column, value) of an (h, w) plane that reach `threshold`, at the centroid of what is near.

    dlib's score is nearly level over a few cells around a face; their centroid is steadier than the highest of them.
    """
    plane = np.ascontiguousarray(plane)
    padded = cv2.copyMakeBorder(plane, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=-9.0)
    highest = cv2.dilate(padded, np.ones((3, 3), np.uint8))[1:-1, 1:-1]
    rows, columns = np.nonzero((plane >= threshold) & (plane >= highest))
    value = plane[rows, columns]
    offsets = np.arange(-1, 2)
    around = padded[rows[:, None, None] + 1 + offsets[:, None], columns[:, None, None] + 1 + offsets]
    weight = np.maximum(around - (value - 0.6)[:, None, None], 0)
    total = weight.sum((1, 2))
    y = rows + (weight * offsets[:, None]).sum((1, 2)) / total
    x = columns + (weight * offsets).sum((1, 2)) / total
    return y, x, value
