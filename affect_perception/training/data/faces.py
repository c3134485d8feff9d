"""Grey face crops of one data set and split in memory, and the labels that stand for votes nobody counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from affect_perception.models.smile_va import EXPRESSIONS
from affect_perception.training.data.strength import graded, intensity_of

SURE = 0.85  # share of votes for the one class that a picture without votes has; the others share the rest
# Valence and arousal that votes stand for: directions after the circumplex (Russell 1980), lengths so that happiness,
# anger, surprise and disgust lie where DiffusionFER's training pictures of that class lie on average. A proxy.
CIRCUMPLEX = {
    'neutral': (0.0, 0.0),
    'happiness': (0.45, 0.30),
    'surprise': (-0.05, 0.50),
    'sadness': (-0.35, -0.20),
    'anger': (-0.45, 0.45),
    'disgust': (-0.40, 0.20),
    'fear': (-0.40, 0.45),
    'contempt': (-0.30, 0.10),
}


@dataclass(frozen=True, eq=False)
class Faces:
    """N faces of one split of one set; NaN where a label is unknown."""

    crops: np.ndarray  # (N, S, S) uint8 grey
    share: np.ndarray  # (N,) float32 in [0, 1]: share of people who name a smile (presence)
    person: np.ndarray  # (N,) str: whose face; pictures of unknown persons each have their own
    votes: np.ndarray  # (N, 8) float32 shares of EXPRESSIONS
    affect: np.ndarray  # (N, 2) float32 valence and arousal in [-1, 1]
    coefficients: np.ndarray  # (N, 52) float32 of the teacher
    raw: np.ndarray  # (N,) float32 raw smile strength of the teacher
    tone: np.ndarray | None = None  # (N,) individual typology angle of the skin, degrees, of colour portraits

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def smiling(self) -> np.ndarray:
        """(N,) bool: is the share above one half."""
        return self.share > 0.5

    @property
    def strength(self) -> np.ndarray:
        """(N,) graded strength in [0, 1]."""
        return graded(self.raw)

    @property
    def intensity(self) -> np.ndarray:
        """(N,) absolute smile intensity; NaN where share or strength is unknown."""
        return intensity_of(self.share, self.strength)

    def pairs(self) -> np.ndarray:
        """(P, 2) indices of each person's neutral and smiling picture, for sets that hold exactly these two."""
        return np.array(
            [sorted(np.flatnonzero(self.person == p), key=lambda i: self.share[i]) for p in np.unique(self.person)]
        )


Sets = dict[str, dict[str, Any]]  # set -> split -> Faces; of the set 'Morphs' Morphs


def class_votes(expression: str) -> np.ndarray:
    """(8,) shares of votes to expect of a picture of a class; NaN for a class that is none of EXPRESSIONS."""
    if expression not in EXPRESSIONS:
        return np.full(len(EXPRESSIONS), np.nan)
    others = (1 - SURE) / (len(EXPRESSIONS) - 1)
    return np.where(np.array(EXPRESSIONS) == expression, SURE, others)


def affect_of(votes: np.ndarray) -> np.ndarray:
    """(N, 2) float32 valence and arousal that shares of votes (N, 8) stand for: the mean of CIRCUMPLEX; NaN for NaN."""
    return np.float32(votes @ np.array([CIRCUMPLEX[e] for e in EXPRESSIONS]))
