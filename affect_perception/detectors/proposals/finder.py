"""Selection of the outputs of the proposal network at which dlib's CNN has to look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from affect_perception.detectors.proposals.canvas import OUT, ProposalCanvas, draw, proposal_canvas
from affect_perception.detectors.proposals.weights import load

THRESHOLD = -0.7  # estimated score from which dlib looks
BELOW_BEST = 0.5  # outputs of one face that are estimated this much below its best one are left out
_NEAR = 0.35  # distance of the centres, in sizes, of outputs of one face
_SIZES = 1.2**3.5  # ratio of the sizes of outputs of one face
_BEST_NEAR, _BEST_SIZES = 0.16, 1.2**1.5  # the same of the outputs at which dlib looks, from the best one


@dataclass(frozen=True, eq=False)
class Proposals:
    """N selected outputs, best first: `scale` (N,) index of the scale, `channel`, `row`, `column` and `score`."""

    canvas: ProposalCanvas
    scale: np.ndarray
    channel: np.ndarray
    row: np.ndarray
    column: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.score)


class ProposalFinder:
    """Proposals of an image by the network in `path`, empty for the shipped one; ConfigError for another file."""

    def __init__(self, path: str | Path = '', threshold: float = THRESHOLD, below_best: float = BELOW_BEST) -> None:
        self._network = load(path).folded()
        self._threshold, self._below_best = threshold, below_best

    def __call__(self, rgb: np.ndarray, enlarged: bool) -> Proposals:
        """Propose positions in an (H, W, 3) uint8 image, 10 px or more each side; with `enlarged` small faces too."""
        canvas = proposal_canvas(*rgb.shape[:2], enlarged)
        return self._selected(self.estimate(rgb, canvas), canvas)

    def estimate(self, rgb: np.ndarray, canvas: ProposalCanvas) -> np.ndarray:
        """Estimated scores (LEVELS, H / OUT, W / OUT) float32 on `canvas`."""
        pixels = torch.from_numpy(draw(rgb, canvas)).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            return self._network(pixels)[0].numpy()

    def _selected(self, estimate: np.ndarray, canvas: ProposalCanvas) -> Proposals:
        parts, boxes = [], []
        for number, scale in enumerate(canvas.scales):
            top, left = scale.top // OUT, scale.left // OUT
            bottom, right = -(-(scale.top + scale.height) // OUT), -(-(scale.left + scale.width) // OUT)
            inside = estimate[:, top:bottom, left:right]
            channel, row, column = np.nonzero(inside >= self._threshold)
            size = 20 * 1.2**channel  # px of a face on the canvas; relative to the scale it is one of the image
            y, x = (row + top + 0.5) * OUT - scale.top, (column + left + 0.5) * OUT - scale.left
            unit = canvas.scales[0].height / scale.height
            boxes.append(np.stack([y * unit, x * unit, size * unit], 1))
            score = inside[channel, row, column]
            parts.append(np.stack([np.full(len(score), number), channel, row + top, column + left, score], 1))
        found, box = np.concatenate(parts), np.concatenate(boxes)
        order = np.argsort(-found[:, 4], kind='stable')
        found, box = found[order], box[order]
        kept = _near_their_best(box, found[:, 4], self._below_best)
        scale, channel, row, column = found[kept, :4].astype(np.int64).T
        return Proposals(canvas, scale, channel, row, column, found[kept, 4])


def _near_their_best(boxes: np.ndarray, scores: np.ndarray, below_best: float) -> np.ndarray:
    """Indices of the outputs, ordered by score, that are hardly worse than the best one of the same face.

    `boxes` (N, 3): y, x and size.
    """
    free = np.ones(len(boxes), bool)
    kept: list[np.ndarray] = []
    for i in range(len(boxes)):
        if not free[i]:
            continue
        y, x, size = boxes[i]
        reach = _NEAR * np.maximum(boxes[:, 2], size)
        ratio = np.maximum(boxes[:, 2] / size, size / boxes[:, 2])
        distance = np.hypot(boxes[:, 0] - y, boxes[:, 1] - x)
        same = free & (distance < reach) & (ratio < _SIZES)
        free &= ~same
        near = (distance < _BEST_NEAR * np.maximum(boxes[:, 2], size)) & (ratio < _BEST_SIZES)
        kept.append(np.flatnonzero(same & near & (scores >= scores[i] - below_best)))
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)
