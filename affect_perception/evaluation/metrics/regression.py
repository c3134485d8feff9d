"""Scores of continuous predictions (valence, arousal, intensity) against labels: CCC, Pearson's r, RMSE."""

from __future__ import annotations

import math

import numpy as np

_LEAST_SPREAD = 1e-12  # a smaller variance is rounding


def ccc(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Concordance correlation coefficient of Lin (1989) of two (N,) series; NaN when neither varies and both are equal.

    Own code: torchmetrics' `concordance_corrcoef` divides by N - 1 where Lin, and the Aff-Wild2 papers, divide by N.
    """
    if not len(predicted):
        return math.nan
    predicted, reference = predicted.astype(float), reference.astype(float)  # float32 costs 3e-7
    spread = predicted.var() + reference.var() + (predicted.mean() - reference.mean()) ** 2
    covariance = np.mean((predicted - predicted.mean()) * (reference - reference.mean()))
    return float(2 * covariance / spread) if spread else math.nan


def regression_scores(predicted: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """CCC, Pearson's r (SciPy) and RMSE (scikit-learn) of (N,) numbers without NaN; NaN for undefined scores."""
    from scipy.stats import pearsonr
    from sklearn import metrics

    if len(predicted) < 2:
        return dict.fromkeys(('ccc', 'pearson', 'rmse'), math.nan)
    varies = predicted.std() > 1e-9 and reference.std() > 1e-9
    return {
        'ccc': ccc(predicted, reference),
        'pearson': float(pearsonr(predicted, reference).statistic) if varies else math.nan,
        'rmse': float(metrics.root_mean_squared_error(reference, predicted)),
    }


def moment_sums(predicted: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(6,) sums that add over people: count, predicted, reference, both squared, and their product."""
    return np.array(
        [
            len(predicted),
            predicted.sum(),
            reference.sum(),
            (predicted**2).sum(),
            (reference**2).sum(),
            (predicted * reference).sum(),
        ]
    )


def scores_from_moments(sums: np.ndarray) -> dict[str, float]:
    """`regression_scores` from `moment_sums`, equal but for rounding: a thousand bootstrap draws in milliseconds.

    Own code: no library computes these scores from sums.
    """
    count = sums[0]
    if count < 2:
        return dict.fromkeys(('ccc', 'pearson', 'rmse'), math.nan)
    mean_p, mean_r, square_p, square_r, product = sums[1:] / count
    variance_p, variance_r, covariance = square_p - mean_p**2, square_r - mean_r**2, product - mean_p * mean_r
    spread = variance_p + variance_r + (mean_p - mean_r) ** 2
    varies = min(variance_p, variance_r) > _LEAST_SPREAD
    return {
        'ccc': 2 * covariance / spread if spread > _LEAST_SPREAD else math.nan,
        'pearson': covariance / math.sqrt(variance_p * variance_r) if varies else math.nan,
        'rmse': math.sqrt(max(square_p + square_r - 2 * product, 0.0)),
    }
