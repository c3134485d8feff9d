"""Network outputs for the faces of one frame as arrays, in one form for all networks, and conversion to `Affect`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from affect_perception.models.face_model import FaceOutput
from affect_perception.models.sequence_model import SequenceOutput
from affect_perception.models.smile_va import AffectOutput, expression_probabilities
from affect_perception.types import Affect, Track

UNKNOWN_LEVELS = (math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Arrays with one row per face of a frame (N faces, K expressions, R reactions), float32.

    NaN without a crop or without such a head.
    """

    levels: np.ndarray  # (N, 4) probabilities
    intensity: np.ndarray  # (N,)
    confidence: np.ndarray  # (N,)
    affect: np.ndarray  # (N, 2) valence, arousal
    expressions: np.ndarray  # (N, K) probabilities
    reactions: np.ndarray  # (N, R) intensities

    @classmethod
    def empty(cls, faces: int, expressions: int, reactions: int = 0) -> Predictions:
        """All NaN, for a number of faces, of expressions and of reactions."""
        shapes = ((faces, 4), (faces,), (faces,), (faces, 2), (faces, expressions), (faces, reactions))
        return cls(*(np.full(shape, np.nan, np.float32) for shape in shapes))

    def fill(self, rows: Sequence[int], output: FaceOutput) -> None:
        """Store the output of a network, whose rows belong to the faces `rows`."""
        where = list(rows)
        self.levels[where] = output.levels.float().cpu().numpy()
        self.intensity[where] = output.intensity.float().cpu().numpy()
        if isinstance(output, AffectOutput):
            self.confidence[where] = torch.sigmoid(output.confidence.float()).cpu().numpy()
            self.affect[where] = output.affect.float().cpu().numpy()
            self.expressions[where] = expression_probabilities(output).float().cpu().numpy()
        elif isinstance(output, SequenceOutput):
            self.affect[where] = output.affect.float().cpu().numpy()
            self.expressions[where] = output.expression.float().cpu().numpy()
            self.reactions[where] = output.reactions.float().cpu().numpy()

    def drop_below(self, min_confidence: float) -> None:
        """Set smile, valence and arousal of faces with a lower confidence to NaN: better none than invented ones."""
        unsure = self.confidence < min_confidence  # False for NaN: networks without such a head
        self.levels[unsure], self.intensity[unsure], self.affect[unsure] = np.nan, np.nan, np.nan

    def part(self, start: int, end: int) -> Predictions:
        """Rows start to end - 1, as views: changing them changes these predictions."""
        arrays = (self.levels, self.intensity, self.confidence, self.affect, self.expressions, self.reactions)
        return Predictions(*(array[start:end] for array in arrays))

    def affect_of(self, row: int, track: Track, evidence_frames: int) -> Affect:
        """Build the record of one face; the smile is NaN unless levels and intensity are finite."""
        levels, intensity = self.levels[row], float(self.intensity[row])
        finite = bool(np.isfinite(levels).all()) and math.isfinite(intensity)
        confidence = float(self.confidence[row])
        neutral, low, medium, high = (float(p) for p in levels)
        return Affect(
            track_id=track.track_id,
            box=track.box,
            confidence=confidence if math.isfinite(confidence) else track.confidence,
            smile_probabilities=(neutral, low, medium, high) if finite else UNKNOWN_LEVELS,
            smile_intensity=intensity if finite else math.nan,
            position=track.position,
            valence=_finite(self.affect[row, 0]),
            arousal=_finite(self.affect[row, 1]),
            expression_probabilities=tuple(float(p) for p in self.expressions[row]),
            reaction_intensities=tuple(float(r) for r in self.reactions[row]),
            evidence_frames=evidence_frames,
        )


def _finite(value: np.floating) -> float:
    """Float of a finite number, else NaN."""
    return float(value) if np.isfinite(value) else math.nan
