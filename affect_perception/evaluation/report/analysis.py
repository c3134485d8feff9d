"""Scores of one run against its labels: the source of metrics.json, the figures and the comparison of runs.

Scores are over all people together; their intervals come from drawing people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from affect_perception.evaluation.labels.quantities import CLASSES
from affect_perception.evaluation.labels.series import Labels
from affect_perception.evaluation.metrics import agreement, calibration, predictions, regression, runs
from affect_perception.evaluation.metrics.bootstrap import intervals_over_people
from affect_perception.evaluation.report.matching import PersonMatch
from affect_perception.evaluation.report.ratings import (
    MODEL,
    ClassRatings,
    ValueRatings,
    class_ratings,
    value_ratings,
)  # fmt: skip
from affect_perception.evaluation.report.results import EvaluationRun


@dataclass(frozen=True, eq=False)
class Analysis:
    """One run compared with its labels. `metrics` is fit for JSON (NaN is None); `delays` are the model's, in s."""

    run: EvaluationRun
    matched: PersonMatch
    people: tuple[str, ...]
    classes: dict[str, ClassRatings]
    values: dict[str, ValueRatings]
    metrics: dict
    notes: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)


def analyse(run: EvaluationRun, labels: Labels, matched: PersonMatch) -> Analysis:
    """Score a run against its labels; oddities (labels outside the recording, people not found) go to `notes`."""
    people = tuple(matched.rows)
    notes = [*labels.notes, *matched.notes, *_outside(run, labels)]
    classes, values = {}, {}
    for quantity in labels.quantities:
        if quantity in CLASSES and not (quantity == 'smile' and not run.predicts('level')):
            ratings = class_ratings(quantity, run, labels, matched)
            if ratings is None:
                notes.append(f'{quantity} is labelled, but {run.name} has none of these classes')
            else:
                classes[quantity] = ratings
        elif quantity in run.columns and run.predicts(quantity):
            values[quantity] = value_ratings(quantity, run, labels, matched)
        else:
            notes.append(f'{quantity} is labelled, but {run.name} does not predict it')
    classes = {q: classes[q] for q in CLASSES if q in classes}
    found: dict = {q: class_metrics(q, ratings, len(people)) for q, ratings in classes.items()}
    delays = _add_onset_delays(run, classes['smile'], found['smile']) if 'smile' in classes and run.sequence else []
    found |= {quantity: _value_metrics(ratings, len(people)) for quantity, ratings in values.items()}
    about = {
        'annotators': list(labels.annotators),
        'reference': labels.annotators[0],
        'people': matched.tracks(run),
        'matched': matched.how,
        'notes': notes,
    }
    return Analysis(run, matched, people, classes, values, to_json({'labels': about, **found}), notes, delays)


def _outside(run: EvaluationRun, labels: Labels) -> list[str]:
    """One sentence per annotator with labels outside the recording."""
    notes = []
    for annotator in labels.annotators:
        outside = total = 0.0
        for one in labels.series:
            if one.annotator == annotator and one.unit != 'file' and len(one.starts):
                position, step = run.positions(one.unit), 1.0 if one.unit == 'frame' else run.period_s
                within = one.share_within(position.min(), position.max() + step) if len(position) else 0.0
                outside, total = outside + (1 - within) * len(one.starts), total + len(one.starts)
        if outside:
            seconds = float(np.ptp(run.times)) if len(run.times) else 0.0
            notes.append(
                f'{round(outside)} of the {round(total)} labels by {annotator} lie outside the recording, which is '
                f'{seconds:.1f} s long'
            )
    return notes


def class_metrics(quantity: str, ratings: ClassRatings, people: int) -> dict:
    """Scores of every rater against the reference over all `people`, with intervals over people where there are two."""
    found: dict = {
        'classes': list(ratings.names),
        'frames': ratings.frames,
        'frames_without_face': ratings.frames_without_face,
        'frames_unknown': ratings.frames_unknown,
    }
    for rater in ratings.compared:
        tables, segments = ratings.tables[rater], _segment_tables(ratings, rater) if quantity == 'smile' else None

        def scores(
            drawn: list[int], tables: list[np.ndarray] = tables, segments: list[np.ndarray] | None = segments
        ) -> dict[str, float]:
            by_segments = None if segments is None else _sum_of(segments, drawn)
            return class_scores(quantity, _sum_of(tables, drawn), by_segments)

        scored: dict[str, Any] = intervals_over_people(scores, people)
        total = ratings.total(rater)
        scored['per_class'] = {
            measure: dict(zip(ratings.names, values.tolist(), strict=True))
            for measure, values in agreement.scores_per_class(total).items()
        }
        scored['confusion'] = total.tolist()
        scored['people'] = [agreement.classification_scores(t) | {'kappa': agreement.kappa(t)} for t in tables]
        found[rater] = scored
    reference, probabilities = ratings.pooled()
    found[MODEL]['ece'] = calibration.expected_calibration_error(probabilities, reference)
    found[MODEL]['average_precision'] = {
        name: calibration.precision_recall(probabilities[:, k], reference == k)[2]
        if (reference == k).any()
        else math.nan
        for k, name in enumerate(ratings.names)
    }
    if quantity == 'smile':
        found[MODEL] |= _intensity_metrics(ratings)
    found['kappa_between'] = _kappa_between(ratings)
    return found


def _intensity_metrics(ratings: ClassRatings) -> dict[str, Any]:
    """AUC of the model's smile intensity for smile or neutral, and its median at each level of the reference."""
    reference, intensity = (np.concatenate(each) for each in (ratings.ratings[ratings.reference], ratings.intensities))
    known = ~(np.isnan(reference) | np.isnan(intensity))
    reference, intensity = reference[known], intensity[known]
    medians = {
        name: float(np.median(intensity[reference == level])) if (reference == level).any() else math.nan
        for level, name in enumerate(ratings.names)
    }
    return {'intensity_auc': predictions.auc(intensity, reference > 0), 'intensity_median': medians}


def class_scores(quantity: str, frames: np.ndarray, segments: np.ndarray | None = None) -> dict[str, float]:
    """All scores of a confusion table of frames, and for smiles of one of segments."""
    found = agreement.classification_scores(frames)
    if quantity != 'smile':
        return found | {'kappa': agreement.kappa(frames)}
    found |= agreement.smile_kappas(frames)
    if segments is not None:
        found['kappa_segments'] = agreement.kappa(segments)
        found['kappa_segments_without_levels'] = agreement.kappa(agreement.merge_smile_levels(segments))
    return found


def _sum_of(tables: list[np.ndarray], people: list[int]) -> np.ndarray:
    return np.sum([tables[p] for p in people], axis=0)


def _segment_tables(ratings: ClassRatings, rater: str) -> list[np.ndarray]:
    """(K, K) confusion table of segments per person."""
    pairs = zip(ratings.ratings[ratings.reference], ratings.ratings[rater], strict=True)
    return [runs.segment_table([pair], len(ratings.names)) for pair in pairs]


def _kappa_between(ratings: ClassRatings) -> dict[str, dict[str, float]]:
    """κ per frame of every two raters, with levels."""
    pooled = {rater: np.concatenate(each) for rater, each in ratings.ratings.items()}
    classes = len(ratings.names)
    return {
        a: {b: 1.0 if a == b else agreement.kappa(agreement.confusion_table(x, y, classes)) for b, y in pooled.items()}
        for a, x in pooled.items()
    }


def _add_onset_delays(run: EvaluationRun, smile: ClassRatings, found: dict) -> list[float]:
    """Add the onset delays of every rater to `found`; returns those of the model in s."""
    delays: list[float] = []
    for rater in smile.compared:
        each = [
            runs.onset_delays(a, b, run.period_s)
            for a, b in zip(smile.ratings[smile.reference], smile.ratings[rater], strict=True)
        ]
        delays = [d for one in each for d in one.delays_s]
        found[rater]['onset_delay_s'] = {
            'median': float(np.median(delays)) if delays else math.nan,
            'quartiles': np.quantile(delays, [0.25, 0.75]).tolist() if delays else None,
            'matched': len(delays),
            'onsets': sum(one.onsets for one in each),
            'smiling_already': sum(one.already_smiling for one in each),
        }
    return delays


def _value_metrics(ratings: ValueRatings, people: int) -> dict:
    found: dict[str, dict[str, Any]] = {}
    for rater in ratings.ratings:
        if rater == ratings.reference:
            continue
        sums = [regression.moment_sums(*ratings.pairs(rater, [p])) for p in range(people)]

        def scores(drawn: list[int], sums: list[np.ndarray] = sums) -> dict[str, float]:
            return regression.scores_from_moments(_sum_of(sums, drawn))

        found[rater] = intervals_over_people(scores, people)
        values, reference = ratings.pairs(rater, list(range(people)))
        for name, value in regression.regression_scores(values, reference).items():
            found[rater][name]['value'] = value
        found[rater]['frames'] = len(values)
    return found


def to_json(value: Any) -> Any:
    """Convert nested results for JSON: NaN to None, NumPy numbers to Python's, six decimals."""
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [to_json(v) for v in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    return value
