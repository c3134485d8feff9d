"""Scores of a model's predictions on a test set, as training and model cards report them; intervals in `bootstrap`.

AUC and Spearman's ρ are SciPy's, accuracy and F1 scikit-learn's (the extra `eval`, imported where it is used).
"""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.evaluation.metrics.agreement import confusion_table, kappa
from affect_perception.evaluation.metrics.bootstrap import interval, with_intervals
from affect_perception.evaluation.metrics.calibration import soft_calibration_error as calibration_error
from affect_perception.evaluation.metrics.regression import ccc

__all__ = [
    'accuracy', 'auc', 'calibration_error', 'ccc', 'interval', 'macro_f1', 'majority_accuracy', 'ordered_pairs',
    'quadratic_kappa', 'rank_correlation', 'spearman', 'top_label_error', 'with_intervals',
]  # fmt: skip


def _sklearn_metrics() -> ModuleType:
    try:
        from sklearn import metrics
    except ImportError:
        raise ConfigError('scores need scikit-learn: pip install affect-perception[eval]') from None
    return metrics


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of (N,) scores, `positive` (N,) bool; NaN without both kinds.

    Mann-Whitney's U over the number of pairs: equal to scikit-learn's `roc_auc_score` in a third of its time, which
    counts where the bootstrap draws a thousand times.
    """
    if positive.all() or not positive.any():
        return math.nan
    from scipy.stats import mannwhitneyu  # slow to import: a report without labels does without

    rank_sum = mannwhitneyu(score[positive], score[~positive], method='asymptotic').statistic
    return float(rank_sum / (positive.sum() * (~positive).sum()))


def accuracy(intensity: np.ndarray, positive: np.ndarray) -> float:
    """Share of images on the right side of intensity 0.5; (N,) both."""
    metrics = _sklearn_metrics()
    return float(metrics.accuracy_score(positive, intensity > 0.5))


def majority_accuracy(logits: np.ndarray, votes: np.ndarray) -> float:
    """Share of images whose likeliest expression is the one with the most votes; (N, K) both."""
    metrics = _sklearn_metrics()
    return float(metrics.accuracy_score(votes.argmax(1), logits.argmax(1)))


def top_label_error(probabilities: np.ndarray, reference: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017) of the likeliest class; (..., K) probabilities, (...) classes."""
    confidence, correct = probabilities.max(-1).ravel(), (probabilities.argmax(-1) == reference).ravel()
    return calibration_error(confidence, correct.astype(float), bins)


def ordered_pairs(score: np.ndarray, pairs: np.ndarray) -> float:
    """Share of (neutral, smiling) pairs, indices (P, 2), in which the smiling image has the higher score.

    Own code: libraries know the concordance of all pairs of a ranking, not of chosen ones.
    """
    return float(np.mean(score[pairs[:, 1]] > score[pairs[:, 0]]))


def rank_correlation(score: np.ndarray) -> np.ndarray:
    """(P,) Spearman's ρ (1904) of each row of (P, K) scores with the order of its columns; 0 for a constant row."""
    order = np.arange(score.shape[1])
    from scipy.stats import spearmanr

    return np.array([spearmanr(row, order).statistic if np.ptp(row) > 0 else 0.0 for row in score])


def spearman(score: np.ndarray, reference: np.ndarray) -> float:
    """Spearman's ρ (1904) of two series (N,); ties have their mean rank. NaN where a series is constant."""
    if len(score) < 2 or not np.ptp(score) > 0 or not np.ptp(reference) > 0:
        return math.nan
    from scipy.stats import spearmanr

    return float(spearmanr(score, reference).statistic)


def quadratic_kappa(predicted: np.ndarray, reference: np.ndarray, classes: int = 4) -> float:
    """Cohen's κ with quadratic weights (1968) of two (N,) arrays of classes; NaN where both have one class only."""
    return kappa(confusion_table(reference.astype(float), predicted.astype(float), classes), 'quadratic')


def macro_f1(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Mean F1 over the classes that occur in either of two (N,) arrays of classes."""
    metrics = _sklearn_metrics()
    return float(metrics.f1_score(reference, predicted, average='macro', zero_division=0.0))
