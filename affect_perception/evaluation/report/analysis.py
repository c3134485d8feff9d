"""A run against its labels: everything that metrics.json, the figures and the comparison of runs are made of.

All raters are compared on the same frames: those that the reference labels and in which the run has the person's face
(the paper, too, removed the frames in which no face was found). Scores are over all people together; their intervals
come from drawing people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from affect_perception.evaluation.labels.labels import CLASSES, SMILE_LEVELS, Labels
from affect_perception.evaluation.metrics import agreement, level_scores
from affect_perception.evaluation.report.data import Matched, Run

MODEL = 'model'


@dataclass(frozen=True, eq=False)
class Classes:
    """Raters who sort frames into classes (smile levels or expressions).

    `said[rater]` is one (F,) array per person, class or NaN; `counts[rater]` one (K, K) table against the reference per
    person; `probabilities` one (F, K) array per person of what the model thinks.
    """

    names: tuple[str, ...]
    reference: str
    said: dict[str, list[np.ndarray]]
    counts: dict[str, list[np.ndarray]]
    probabilities: list[np.ndarray]
    frames: int
    without_face: int

    def total(self, rater: str) -> np.ndarray:
        return np.sum(self.counts[rater], axis=0)

    @property
    def others(self) -> list[str]:
        """Everybody but the reference; the model is the last."""
        return [rater for rater in self.said if rater != self.reference]

    def pooled(self) -> tuple[np.ndarray, np.ndarray]:
        """(N,) classes of the reference and (N, K) probabilities of the model, where both are known."""
        true = np.concatenate(self.said[self.reference])
        chance = np.concatenate(self.probabilities)
        known = ~np.isnan(true) & np.isfinite(chance).all(axis=1)
        return true[known], chance[known]


@dataclass(frozen=True, eq=False)
class Numbers:
    """One quantity that is a number: per rater and person an (F,) array, in which NaN is "not known"."""

    reference: str
    said: dict[str, list[np.ndarray]]

    def pairs(self, rater: str, people: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """What the rater and what the reference says, over the frames that both have."""
        said = np.concatenate([self.said[rater][p] for p in people])
        true = np.concatenate([self.said[self.reference][p] for p in people])
        known = ~(np.isnan(said) | np.isnan(true))
        return said[known], true[known]


@dataclass(frozen=True, eq=False)
class Analysis:
    """One run against its labels. `metrics` is fit for JSON; NaN has become None."""

    run: Run
    matched: Matched
    people: tuple[str, ...]
    classes: dict[str, Classes]
    numbers: dict[str, Numbers]
    metrics: dict
    notes: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)


def analyse(run: Run, labels: Labels, matched: Matched) -> Analysis:
    """Compares; what is odd (labels outside the recording, people not found) is in `notes`."""
    people = tuple(matched.rows)
    notes = [*labels.notes, *matched.notes, *_outside(run, labels)]
    classes = {q: _classes(q, run, labels, matched) for q in CLASSES if q in labels.quantities}
    classes = {q: c for q, c in classes.items() if c is not None}
    numbers = {q: _numbers(q, run, labels, matched) for q in labels.quantities if q not in CLASSES and q in run.columns}
    for quantity in labels.quantities:
        if quantity not in CLASSES and quantity not in run.columns:
            notes.append(f'{quantity} is labelled, but {run.name} does not say it')
        if quantity in CLASSES and quantity not in classes:
            notes.append(f'{quantity} is labelled, but {run.name} says none of these classes')
    found: dict = {q: _class_metrics(q, c, len(people)) for q, c in classes.items()}
    delays: list[float] = []
    if 'smile' in classes and run.sequence:
        delays = _onsets(run, classes['smile'], found['smile'])
    for quantity, one in numbers.items():
        found[quantity] = _number_metrics(one, len(people))
    about = {
        'annotators': list(labels.annotators),
        'reference': labels.annotators[0],
        'people': matched.tracks(run),
        'matched': matched.how,
        'notes': notes,
    }
    return Analysis(run, matched, people, classes, numbers, clean({'labels': about, **found}), notes, delays)


def _outside(run: Run, labels: Labels) -> list[str]:
    """One sentence per annotator who labelled what was not recorded."""
    notes = []
    for annotator in labels.annotators:
        outside = total = 0.0
        for one in labels.series:
            if one.annotator == annotator and one.unit != 'file' and len(one.starts):
                position, step = run.position(one.unit), 1.0 if one.unit == 'frame' else run.period_s
                within = one.share_within(position.min(), position.max() + step) if len(position) else 0.0
                outside, total = outside + (1 - within) * len(one.starts), total + len(one.starts)
        if outside:
            seconds = float(np.ptp(run.times)) if len(run.times) else 0.0
            notes.append(
                f'{round(outside)} of the {round(total)} labels by {annotator} lie outside the recording, which is '
                f'{seconds:.1f} s long'
            )
    return notes


def _raters(quantity: str, run: Run, labels: Labels, matched: Matched) -> dict[str, list[np.ndarray]]:
    """What every annotator says of every person in every frame."""
    said = {}
    for annotator in labels.annotators:
        series = [labels.get(annotator, person, quantity) for person in matched.rows]
        if any(series):
            blank = np.full(len(run.numbers), np.nan)
            said[annotator] = [blank if s is None else s.at(run.position(s.unit)) for s in series]
    return said


def _classes(quantity: str, run: Run, labels: Labels, matched: Matched) -> Classes | None:
    names = CLASSES[quantity]
    said = _raters(quantity, run, labels, matched)
    reference = next(iter(said))
    rows = list(matched.rows.values())
    columns = (
        [f'p_{name}' for name in SMILE_LEVELS]
        if quantity == 'smile'
        else [n if n in run.columns else '' for n in names]
    )
    if not any(columns):
        return None
    if quantity == 'expression':  # only what both the labels and the model can say
        kept = [i for i, column in enumerate(columns) if column]
        names, columns = tuple(names[i] for i in kept), [columns[i] for i in kept]
        said = {rater: [_renumbered(values, kept) for values in each] for rater, each in said.items()}
    probabilities = [np.stack([run.of(row, column) for column in columns], -1) for row in rows]
    said[MODEL] = [
        run.of(row, 'level') if quantity == 'smile' else _likeliest(p)
        for row, p in zip(rows, probabilities, strict=True)
    ]
    labelled = [~np.isnan(values) for values in said[reference]]
    seen = [known & ~np.isnan(values) for known, values in zip(labelled, said[MODEL], strict=True)]
    said = {r: [np.where(s, values, np.nan) for s, values in zip(seen, each, strict=True)] for r, each in said.items()}
    counts = {
        rater: [agreement.table(a, b, len(names)) for a, b in zip(said[reference], each, strict=True)]
        for rater, each in said.items()
        if rater != reference
    }
    frames, missing = (
        sum(int(s.sum()) for s in seen),
        sum(int((k & ~s).sum()) for k, s in zip(labelled, seen, strict=True)),
    )
    return Classes(names, reference, said, counts, probabilities, frames, missing)


def _renumbered(values: np.ndarray, kept: list[int]) -> np.ndarray:
    new = np.full(len(CLASSES['expression']) + 1, np.nan)
    new[kept] = np.arange(len(kept))
    return new[np.where(np.isnan(values), len(new) - 1, values).astype(int)]


def _likeliest(probabilities: np.ndarray) -> np.ndarray:
    known = np.isfinite(probabilities).all(axis=1)
    return np.where(known, np.argmax(np.where(known[:, None], probabilities, 0), axis=1), np.nan)


def _numbers(quantity: str, run: Run, labels: Labels, matched: Matched) -> Numbers:
    said = _raters(quantity, run, labels, matched)
    said[MODEL] = [run.of(row, quantity) for row in matched.rows.values()]
    return Numbers(next(iter(said)), said)


def _class_metrics(quantity: str, one: Classes, people: int) -> dict:
    found: dict = {'classes': list(one.names), 'frames': one.frames, 'frames_without_face': one.without_face}
    for rater in one.others:
        counts, segments = one.counts[rater], _segments(one, rater) if quantity == 'smile' else None
        scored: dict = level_scores.intervals(
            lambda drawn, c=counts, s=segments: measured(quantity, _sum(c, drawn), s and _sum(s, drawn)), people
        )
        total = one.total(rater)
        scored['per_class'] = {
            measure: dict(zip(one.names, values.tolist(), strict=True))
            for measure, values in agreement.per_class(total).items()
        }
        scored['confusion'] = total.tolist()
        scored['people'] = [agreement.classification(c) | {'kappa': agreement.kappa(c)} for c in counts]
        found[rater] = scored
    true, chance = one.pooled()
    found[MODEL]['ece'] = level_scores.expected_calibration_error(chance, true)
    found[MODEL]['average_precision'] = {
        name: level_scores.precision_recall(chance[:, k], true == k)[2] if (true == k).any() else math.nan
        for k, name in enumerate(one.names)
    }
    found['kappa_between'] = _between(one)
    return found


def measured(quantity: str, counts: np.ndarray, segments: np.ndarray | None = None) -> dict[str, float]:
    """All scores of a table of frames, and for smiles of one of segments."""
    found = agreement.classification(counts)
    if quantity != 'smile':
        return found | {'kappa': agreement.kappa(counts)}
    found |= agreement.agreement(counts)
    if segments is not None:
        found['kappa_segments'] = agreement.kappa(segments)
        found['kappa_segments_without_levels'] = agreement.kappa(agreement.without_levels(segments))
    return found


def _sum(tables: list[np.ndarray], people: list[int]) -> np.ndarray:
    return np.sum([tables[p] for p in people], axis=0)


def _segments(one: Classes, rater: str) -> list[np.ndarray]:
    """A table of segments per person."""
    pairs = zip(one.said[one.reference], one.said[rater], strict=True)
    return [agreement.segment_table([pair], len(one.names)) for pair in pairs]


def _between(one: Classes) -> dict[str, dict[str, float]]:
    """κ per frame of every two raters, with levels."""
    together = {rater: np.concatenate(each) for rater, each in one.said.items()}
    return {
        a: {b: 1.0 if a == b else agreement.kappa(agreement.table(x, y, len(one.names))) for b, y in together.items()}
        for a, x in together.items()
    }


def _onsets(run: Run, smile: Classes, found: dict) -> list[float]:
    """Adds the delays of the onsets to `found`; returns those of the model."""
    for rater in smile.others:
        each = [
            level_scores.onset_delays(a, b, run.period_s)
            for a, b in zip(smile.said[smile.reference], smile.said[rater], strict=True)
        ]
        delays = [d for one, _, _ in each for d in one]
        found[rater]['onset_delay_s'] = {
            'median': float(np.median(delays)) if delays else math.nan,
            'quartiles': np.quantile(delays, [0.25, 0.75]).tolist() if delays else None,
            'matched': len(delays),
            'onsets': sum(n for _, n, _ in each),
            'smiling_already': sum(n for _, _, n in each),
        }
    return delays


def _number_metrics(one: Numbers, people: int) -> dict:
    found = {}
    for rater in one.said:
        if rater == one.reference:
            continue
        sums = [level_scores.moments(*one.pairs(rater, [p])) for p in range(people)]
        found[rater] = level_scores.intervals(lambda drawn, s=sums: level_scores.numbers_of(_sum(s, drawn)), people)
        for name, value in level_scores.numbers(*one.pairs(rater, list(range(people)))).items():
            found[rater][name]['value'] = value
        found[rater]['frames'] = len(one.pairs(rater, list(range(people)))[0])
    return found


def clean(value):
    """`value` for JSON: NaN is None, numbers of numpy are Python's, six decimals."""
    if isinstance(value, dict):
        return {str(k): clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [clean(v) for v in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    return value
