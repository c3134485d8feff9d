"""What a network says of the faces of a frame, as numbers; the same for every network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from affect_perception.models.layers import SmileOutput
from affect_perception.models.smile_va import AffectOutput, expression_probabilities
from affect_perception.types import Affect, Track

UNKNOWN = (math.nan,) * 4


@dataclass(frozen=True, eq=False)
class Reading:
    """Of N faces; NaN where nothing was read, or by networks without such a head. `expressions` has K columns."""

    levels: np.ndarray  # (N, 4)
    intensity: np.ndarray  # (N,)
    confidence: np.ndarray  # (N,)
    affect: np.ndarray  # (N, 2)
    expressions: np.ndarray  # (N, K)

    @classmethod
    def nothing(cls, faces: int, expressions: int) -> Reading:
        shapes = ((faces, 4), (faces,), (faces,), (faces, 2), (faces, expressions))
        return cls(*(np.full(shape, np.nan, np.float32) for shape in shapes))

    def put(self, places: list[int], output: SmileOutput | AffectOutput) -> None:
        """Note what a network says of the faces at `places`."""
        self.levels[places] = output.levels.float().cpu().numpy()
        self.intensity[places] = output.intensity.float().cpu().numpy()
        if isinstance(output, AffectOutput):
            self.confidence[places] = torch.sigmoid(output.confidence.float()).cpu().numpy()
            self.affect[places] = output.affect.float().cpu().numpy()
            self.expressions[places] = expression_probabilities(output).float().cpu().numpy()

    def of(self, place: int, track: Track, evidence_frames: int) -> Affect:
        """The record of one face; UNKNOWN unless its levels and its intensity are numbers."""
        levels, intensity = self.levels[place], float(self.intensity[place])
        readable = bool(np.isfinite(levels).all()) and math.isfinite(intensity)
        sure = float(self.confidence[place])
        return Affect(
            track_id=track.track_id,
            box=track.box,
            confidence=sure if math.isfinite(sure) else track.confidence,
            smile_probabilities=tuple(float(p) for p in levels) if readable else UNKNOWN,
            smile_intensity=intensity if readable else math.nan,
            position=track.position,
            valence=float(self.affect[place, 0]) if readable else math.nan,
            arousal=float(self.affect[place, 1]) if readable else math.nan,
            expression_probabilities=tuple(float(p) for p in self.expressions[place]),
            evidence_frames=evidence_frames,
        )
