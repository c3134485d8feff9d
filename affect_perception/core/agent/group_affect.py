"""Group affect: weighted mean over the faces of an image, by the size of each face and its position in the group.

After the group expression model of Dhall and Goecke (ICPR 2012: larger faces, that is nearer people, weigh more) and
Dhall, Goecke and Gedeon (IEEE Transactions on Affective Computing 6(1), 2015: also by the place in the group), on which
Witzig et al. 2019 build. For face i of n, with width wᵢ and height hᵢ of its box in px and dᵢ the distance of
its centre from the mean of all centres:

    weightᵢ ∝ √(wᵢ·hᵢ) · (1 − α · dᵢ / max d)        (α: the setting `group_position`; weights sum to 1)

The group affect is Σ weightᵢ·valueᵢ over the faces whose value is known, with the weights of those scaled to sum to 1.
Differences from the papers: distances are relative to the farthest face (theirs are min-max scaled, which in any group
gives one face full weight and another one little), and no learned attributes enter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from affect_perception.types import Affect


@dataclass(frozen=True)
class GroupAffect:
    """Valence and arousal in [-1, 1] and smile intensity in [0, 1], NaN if unknown; number of people in view."""

    valence: float = math.nan
    arousal: float = math.nan
    smile_intensity: float = math.nan
    people: int = 0


def weights(faces: Sequence[Affect], position: float = 0.5) -> list[float]:
    """Weights of N faces, which sum to 1; `position` is α of the formula above, in [0, 1]."""
    sizes = [math.sqrt(max(face.box.area, 1.0)) for face in faces]
    centres = [face.box.centre for face in faces]
    mean = [sum(values) / len(faces) for values in zip(*centres, strict=True)]
    distances = [math.dist(centre, mean) for centre in centres]
    farthest = max(distances, default=0.0) or 1.0
    raw = [size * (1 - position * distance / farthest) for size, distance in zip(sizes, distances, strict=True)]
    if sum(raw) <= 1e-9 * sum(sizes):  # two people and α = 1: both are farthest
        raw = sizes
    total = sum(raw)
    return [value / total for value in raw]


def group_affect(faces: Sequence[Affect], position: float = 0.5) -> GroupAffect:
    """Group affect of `faces`; all NaN without faces."""
    shares = weights(faces, position)
    return GroupAffect(
        _mean([face.valence for face in faces], shares),
        _mean([face.arousal for face in faces], shares),
        _mean([face.smile_intensity for face in faces], shares),
        len(faces),
    )


def _mean(values: Sequence[float], shares: Sequence[float]) -> float:
    known = [(value, share) for value, share in zip(values, shares, strict=True) if math.isfinite(value)]
    total = sum(share for _, share in known)
    return sum(value * share for value, share in known) / total if total > 0 else math.nan
