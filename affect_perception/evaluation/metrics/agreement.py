"""How far two raters agree on the levels of a recording: Cohen's κ by frame and by segment, and confusions.

A rater is an annotator or the model. Everything that counts frames is computed from a (K, K) table of counts, rows the
reference and columns the other, so that intervals over people need only sums of tables.

scikit-learn and SciPy's statistics are imported where they are used: that takes a second, which a report without
labels need not spend.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np


def table(reference: np.ndarray, other: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) counts of frames: reference by row, other by column; frames where either is NaN are left out."""
    known = ~(np.isnan(reference) | np.isnan(other))
    cell = reference[known].astype(int) * classes + other[known].astype(int)
    return np.bincount(cell, minlength=classes * classes).reshape(classes, classes)


def _as_frames(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reference, other and weight of the cells that are not empty: scikit-learn's input, however many frames."""
    reference, other = np.nonzero(counts)
    return reference, other, counts[reference, other]


def kappa(counts: np.ndarray, weights: str | None = None) -> float:
    """Cohen's κ (1960) of a table, or with `weights='quadratic'` (1968); NaN when both only ever say one class."""
    from sklearn import metrics

    reference, other, weight = _as_frames(counts)
    if len(set(reference) | set(other)) < 2:
        return math.nan
    labels = np.arange(len(counts))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # its own warning about what is NaN here
        value = metrics.cohen_kappa_score(reference, other, labels=labels, weights=weights, sample_weight=weight)
    return float(value)


def without_levels(counts: np.ndarray) -> np.ndarray:
    """(2, 2) table of the first class (neutral) against all others together (a smile)."""
    edges = [0, 1]
    return np.add.reduceat(np.add.reduceat(counts, edges, axis=0), edges, axis=1)


def classification(counts: np.ndarray) -> dict[str, float]:
    """Accuracy, balanced accuracy and macro F1 of the other against the reference, from their table.

    Balanced accuracy is over the classes that the reference has, macro F1 over those that either has.
    """
    from sklearn import metrics

    reference, other, weight = _as_frames(counts)
    if not len(weight):
        return dict.fromkeys(('accuracy', 'balanced_accuracy', 'macro_f1'), math.nan)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # classes that the reference lacks: said above
        return {
            'accuracy': float(metrics.accuracy_score(reference, other, sample_weight=weight)),
            'balanced_accuracy': float(metrics.balanced_accuracy_score(reference, other, sample_weight=weight)),
            'macro_f1': float(
                metrics.f1_score(reference, other, average='macro', sample_weight=weight, zero_division=0.0)
            ),
        }


def agreement(counts: np.ndarray) -> dict[str, float]:
    """κ per frame of a table of smile levels: with levels, with distances of levels (quadratic), and without levels."""
    return {
        'kappa': kappa(counts),
        'kappa_quadratic': kappa(counts, 'quadratic'),
        'kappa_without_levels': kappa(without_levels(counts)),
    }


def by_recall(counts: np.ndarray) -> np.ndarray:
    """Fig. 3a of Witzig et al. 2019: share of the frames of class i that the other calls j; NaN for absent classes."""
    return _shares(counts)


def by_precision(counts: np.ndarray) -> np.ndarray:
    """Fig. 3b, its dual: entry (i, j) is the share of frames that the other calls i which are j for the reference."""
    return _shares(counts.T)


def _shares(counts: np.ndarray) -> np.ndarray:
    total = counts.sum(axis=1, keepdims=True).astype(float)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)


def per_class(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Fig. 3c: precision, recall and F1 (K,) of each class and the frames of the reference; NaN where undefined."""
    from sklearn import metrics

    reference, other, weight = _as_frames(counts)
    labels = np.arange(len(counts))
    if not len(weight):
        empty = np.full(len(counts), np.nan)
        return {'precision': empty, 'recall': empty, 'f1': empty, 'frames': counts.sum(axis=1)}
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        reference, other, labels=labels, sample_weight=weight, zero_division=np.nan
    )
    return {'precision': precision, 'recall': recall, 'f1': f1, 'frames': counts.sum(axis=1)}


def runs_of(levels: np.ndarray) -> list[tuple[int, int, int]]:
    """Maximal stretches of one level as (first frame, end, level), of (F,) levels; NaN belongs to none."""
    filled = np.where(np.isnan(levels), -1, levels).astype(int)
    edges = np.flatnonzero(np.diff(filled)) + 1
    starts, ends = np.concatenate([[0], edges]).astype(int), np.concatenate([edges, [len(filled)]]).astype(int)
    return [
        (s, e, int(filled[s])) for s, e in zip(starts.tolist(), ends.tolist(), strict=True) if e > s and filled[s] >= 0
    ]


def segment_table(pairs: Sequence[tuple[np.ndarray, np.ndarray]], classes: int) -> np.ndarray:
    """(K, K) counts of segments instead of frames, over pairs of (F,) levels of two raters.

    A segment is a stretch of one level, neutral ones too. Every segment of either rater counts once: its level against
    the one that the other gives for most of its duration. Short smiles thus weigh as much as long ones, and where
    exactly they begin does not matter. (The paper says "segment overlap" and no more; this is our reading.)
    """
    counts = np.zeros((classes, classes), int)
    for first, second in pairs:
        known = ~(np.isnan(first) | np.isnan(second))
        one, two = np.where(known, first, np.nan), np.where(known, second, np.nan)
        for start, end, level in runs_of(one):
            counts[level, _mostly(two[start:end], classes)] += 1
        for start, end, level in runs_of(two):
            counts[_mostly(one[start:end], classes), level] += 1
    return counts


def _mostly(levels: np.ndarray, classes: int) -> int:
    return int(np.bincount(levels.astype(int), minlength=classes).argmax())
