"""Agreement of two raters on classes: Cohen's κ, classification scores and confusion shares, by scikit-learn.

A rater is an annotator or the model. Every score of frames is computed from a (K, K) confusion table, rows the
reference and columns the other rater: intervals over people then need only sums of tables, however many frames.

scikit-learn is imported where it is used: that takes a second, which a report without labels need not spend.
"""

from __future__ import annotations

import math
import warnings

import numpy as np


def confusion_table(reference: np.ndarray, other: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) counts of frames, reference by row, of two (F,) arrays of classes; frames with NaN do not count.

    `sklearn.metrics.confusion_matrix` gives the same without NaN; it is ten times slower, and is called per person.
    """
    known = ~(np.isnan(reference) | np.isnan(other))
    cell = reference[known].astype(int) * classes + other[known].astype(int)
    return np.bincount(cell, minlength=classes * classes).reshape(classes, classes)


def _weighted_cells(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reference class, other class and count of each non-empty cell: scikit-learn's y_true, y_pred, sample_weight."""
    reference, other = np.nonzero(counts)
    return reference, other, counts[reference, other]


def kappa(counts: np.ndarray, weights: str | None = None) -> float:
    """Cohen's κ (1960) of a table, or with `weights='quadratic'` (1968); NaN when both raters use one class only."""
    from sklearn import metrics

    reference, other, weight = _weighted_cells(counts)
    if len(set(reference) | set(other)) < 2:
        return math.nan
    labels = np.arange(len(counts))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # scikit-learn warns of each NaN
        value = metrics.cohen_kappa_score(reference, other, labels=labels, weights=weights, sample_weight=weight)
    return float(value)


def merge_smile_levels(counts: np.ndarray) -> np.ndarray:
    """(2, 2) table of the first class (neutral) against all others together (any smile)."""
    edges = [0, 1]
    return np.add.reduceat(np.add.reduceat(counts, edges, axis=0), edges, axis=1)


def classification_scores(counts: np.ndarray) -> dict[str, float]:
    """Accuracy, balanced accuracy and macro F1 of the other rater against the reference; NaN for an empty table.

    Balanced accuracy is over the classes that the reference has, macro F1 over those that either rater has.
    """
    from sklearn import metrics

    reference, other, weight = _weighted_cells(counts)
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


def smile_kappas(counts: np.ndarray) -> dict[str, float]:
    """κ per frame of a table of smile levels: of the levels, weighted by squared distance, and of smile or neutral."""
    return {
        'kappa': kappa(counts),
        'kappa_quadratic': kappa(counts, 'quadratic'),
        'kappa_without_levels': kappa(merge_smile_levels(counts)),
    }


def shares_by_recall(counts: np.ndarray) -> np.ndarray:
    """(K, K) share of the frames of class i that the other rater calls j; NaN rows for absent classes.

    Fig. 3a of Witzig et al. 2019.
    """
    return _row_shares(counts)


def shares_by_precision(counts: np.ndarray) -> np.ndarray:
    """(K, K) share of the frames that the other rater calls i which are j for the reference (Fig. 3b)."""
    return _row_shares(counts.T)


def _row_shares(counts: np.ndarray) -> np.ndarray:
    total = counts.sum(axis=1, keepdims=True).astype(float)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)


def scores_per_class(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall and F1 (K,) of each class, and the frames of the reference; NaN where undefined (Fig. 3c)."""
    from sklearn import metrics

    reference, other, weight = _weighted_cells(counts)
    labels = np.arange(len(counts))
    if not len(weight):
        empty = np.full(len(counts), np.nan)
        return {'precision': empty, 'recall': empty, 'f1': empty, 'frames': counts.sum(axis=1)}
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        reference, other, labels=labels, sample_weight=weight, zero_division=np.nan
    )
    return {'precision': precision, 'recall': recall, 'f1': f1, 'frames': counts.sum(axis=1)}
