"""Expressions and reactions of a face as text, by the labels that the model names."""

from __future__ import annotations

import math
from collections.abc import Sequence

from affect_perception.types import Affect

MOST_REACTIONS = 2  # in a caption; the others are weaker
LEAST_REACTION = 0.1  # weaker reactions are not mentioned
SPEAKS = 0.5  # speaking from which a face is shown as the speaker


def strongest(labels: Sequence[str], values: Sequence[float]) -> list[tuple[str, float]]:
    """(label in words, value) of all finite values, the highest first; [] if labels and values do not match."""
    if len(labels) != len(values):
        return []
    named = [(label.replace('_', ' '), value) for label, value in zip(labels, values, strict=True)]
    return sorted((pair for pair in named if math.isfinite(pair[1])), key=lambda pair: -pair[1])


def readings(face: Affect, expressions: Sequence[str], reactions: Sequence[str]) -> list[str]:
    """Lines such as `happiness 0.81` (most probable expression) and `amusement 0.62  surprise 0.31` (reactions)."""
    lines = [f'{label} {value:.2f}' for label, value in strongest(expressions, face.expression_probabilities)[:1]]
    found = strongest(reactions, face.reaction_intensities)[:MOST_REACTIONS]
    shown = [pair for pair in found if pair[1] >= LEAST_REACTION] or found[:1]
    if shown:
        lines.append('  '.join(f'{label} {value:.2f}' for label, value in shown))
    return lines
