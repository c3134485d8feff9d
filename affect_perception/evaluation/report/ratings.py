"""Ratings of all raters (annotators and the model) of one quantity, on the same frames.

All raters are compared on the frames that the reference labels and in which the run has the person's face (Witzig et
al. 2019, too, removed the frames in which no face was found).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affect_perception.evaluation.labels.quantities import CLASSES, SMILE_LEVELS
from affect_perception.evaluation.labels.series import Labels
from affect_perception.evaluation.metrics import agreement
from affect_perception.evaluation.report.matching import PersonMatch
from affect_perception.evaluation.report.results import NO_FACE, EvaluationRun

MODEL = 'model'


@dataclass(frozen=True, eq=False)
class ClassRatings:
    """Ratings in classes (smile levels or expressions).

    `ratings[rater]` is one (F,) array per person, class or NaN; `tables[rater]` one (K, K) confusion table against the
    reference per person; `probabilities` one (F, K) array per person, of the model; `intensities` one (F,) array per
    person of the model's smile intensity, empty for expressions. `frames` are labelled and predicted; of the other
    labelled ones `frames_without_face` have no face of the person, and in `frames_unknown` the model gives no class.
    """

    names: tuple[str, ...]
    reference: str
    ratings: dict[str, list[np.ndarray]]
    tables: dict[str, list[np.ndarray]]
    probabilities: list[np.ndarray]
    intensities: list[np.ndarray]
    frames: int
    frames_without_face: int
    frames_unknown: int

    def total(self, rater: str) -> np.ndarray:
        """(K, K) confusion table of a rater over all people."""
        return np.sum(self.tables[rater], axis=0)

    @property
    def compared(self) -> list[str]:
        """All raters but the reference; the model is the last."""
        return [rater for rater in self.ratings if rater != self.reference]

    def pooled(self) -> tuple[np.ndarray, np.ndarray]:
        """(N,) classes of the reference and (N, K) probabilities of the model, over the frames that have both."""
        reference = np.concatenate(self.ratings[self.reference])
        probabilities = np.concatenate(self.probabilities)
        known = ~np.isnan(reference) & np.isfinite(probabilities).all(axis=1)
        return reference[known], probabilities[known]


@dataclass(frozen=True, eq=False)
class ValueRatings:
    """Ratings of a continuous quantity: per rater and person an (F,) array, NaN where unknown."""

    reference: str
    ratings: dict[str, list[np.ndarray]]

    def pairs(self, rater: str, people: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """(N,) values of the rater and of the reference, over the frames that have both."""
        values = np.concatenate([self.ratings[rater][p] for p in people])
        reference = np.concatenate([self.ratings[self.reference][p] for p in people])
        known = ~(np.isnan(values) | np.isnan(reference))
        return values[known], reference[known]


def class_ratings(quantity: str, run: EvaluationRun, labels: Labels, matched: PersonMatch) -> ClassRatings | None:
    """Collect the ratings of `smile` or `expression`; None where the model has none of the labelled classes."""
    names = CLASSES[quantity]
    ratings = _annotator_ratings(quantity, run, labels, matched)
    reference = next(iter(ratings))
    rows = list(matched.rows.values())
    if quantity == 'smile':
        columns = [f'p_{name}' for name in SMILE_LEVELS]
    else:  # only the expressions of both the labels and the model
        kept = [i for i, name in enumerate(names) if name in run.columns]
        names = tuple(names[i] for i in kept)
        columns = list(names)
        ratings = {rater: [_renumbered(values, kept) for values in each] for rater, each in ratings.items()}
    if not columns:
        return None
    probabilities = [np.stack([run.values_of(row, column) for column in columns], -1) for row in rows]
    ratings[MODEL] = [
        run.values_of(row, 'level') if quantity == 'smile' else _likeliest(p)
        for row, p in zip(rows, probabilities, strict=True)
    ]
    labelled = [~np.isnan(values) for values in ratings[reference]]
    seen = [known & ~np.isnan(values) for known, values in zip(labelled, ratings[MODEL], strict=True)]
    ratings = {
        rater: [np.where(s, values, np.nan) for s, values in zip(seen, each, strict=True)]
        for rater, each in ratings.items()
    }
    tables = {
        rater: [
            agreement.confusion_table(a, b, len(names)) for a, b in zip(ratings[reference], ratings[rater], strict=True)
        ]
        for rater in ratings
        if rater != reference
    }
    frames = sum(int(s.sum()) for s in seen)
    faces = [row != NO_FACE for row in rows]
    missing = sum(int((known & ~face).sum()) for known, face in zip(labelled, faces, strict=True))
    missing += _labelled_frames(quantity, reference, run, labels, set(matched.absent) - set(matched.rows))
    unknown = sum(int((known & face & ~s).sum()) for known, face, s in zip(labelled, faces, seen, strict=True))
    intensities = [run.values_of(row, 'smile_intensity') for row in rows] if quantity == 'smile' else []
    return ClassRatings(names, reference, ratings, tables, probabilities, intensities, frames, missing, unknown)


def _labelled_frames(quantity: str, annotator: str, run: EvaluationRun, labels: Labels, people: set[str]) -> int:
    """Number of frames in which the annotator labels the quantity of one of `people`, summed over people."""
    series = [labels.get(annotator, person, quantity) for person in people]
    return sum(int((~np.isnan(s.at(run.positions(s.unit)))).sum()) for s in series if s is not None)


def value_ratings(quantity: str, run: EvaluationRun, labels: Labels, matched: PersonMatch) -> ValueRatings:
    """Collect the ratings of a continuous quantity."""
    ratings = _annotator_ratings(quantity, run, labels, matched)
    ratings[MODEL] = [run.values_of(row, quantity) for row in matched.rows.values()]
    return ValueRatings(next(iter(ratings)), ratings)


def _annotator_ratings(
    quantity: str, run: EvaluationRun, labels: Labels, matched: PersonMatch
) -> dict[str, list[np.ndarray]]:
    """(F,) labels of each matched person by every annotator who labelled the quantity."""
    ratings = {}
    for annotator in labels.annotators:
        series = [labels.get(annotator, person, quantity) for person in matched.rows]
        if any(series):
            blank = np.full(len(run.frame_numbers), np.nan)
            ratings[annotator] = [blank if s is None else s.at(run.positions(s.unit)) for s in series]
    return ratings


def _renumbered(values: np.ndarray, kept: list[int]) -> np.ndarray:
    """(F,) indices into CLASSES['expression'] as indices into `kept`; NaN for the others."""
    new = np.full(len(CLASSES['expression']) + 1, np.nan)
    new[kept] = np.arange(len(kept))
    return new[np.where(np.isnan(values), len(new) - 1, values).astype(int)]


def _likeliest(probabilities: np.ndarray) -> np.ndarray:
    known = np.isfinite(probabilities).all(axis=1)
    return np.where(known, np.argmax(np.where(known[:, None], probabilities, 0), axis=1), np.nan)
