"""Quality of predicted probabilities: expected calibration error, reliability and precision-recall curves.

scikit-learn and torchmetrics are imported where they are used: that takes a second, which a report without labels need
not spend.
"""

from __future__ import annotations

import math

import numpy as np

from affect_perception.runtime.imports.torchvision_import import import_torchmetrics

BINS = 10


def expected_calibration_error(probabilities: np.ndarray, reference: np.ndarray, bins: int = BINS) -> float:
    """ECE (Guo et al. 2017) of the likeliest class of (N, K), (N,) true classes; by torchmetrics. NaN for N = 0."""
    import torch

    import_torchmetrics()
    from torchmetrics.functional.classification import multiclass_calibration_error

    if not len(reference):
        return math.nan
    predicted, wanted = torch.from_numpy(probabilities), torch.from_numpy(reference.astype(np.int64))
    return float(multiclass_calibration_error(predicted, wanted, probabilities.shape[1], n_bins=bins, norm='l1'))


def soft_calibration_error(probability: np.ndarray, share: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error of (N,) probabilities against shares of votes in [0, 1]; float64, equal bins.

    Own code: torchmetrics and scikit-learn take hard labels only, and torchmetrics bins in float32 (9e-8 apart).
    """
    place = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = [abs(np.sum(probability[place == b] - share[place == b])) for b in range(bins)]
    return float(sum(gaps) / len(probability))


def reliability_curve(
    probability: np.ndarray, happened: np.ndarray, bins: int = BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean probability, share that happened and frames of each non-empty bin, by scikit-learn's `calibration_curve`."""
    from sklearn.calibration import calibration_curve

    share, predicted = calibration_curve(happened, np.clip(probability, 0, 1), n_bins=bins)
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probability)  # the bins of scikit-learn
    counts = np.bincount(place, minlength=bins)
    return predicted, share, counts[counts > 0]


def precision_recall(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Precision and recall at every threshold of (N,) scores, and the average precision; by scikit-learn."""
    from sklearn import metrics

    precision, recall, _ = metrics.precision_recall_curve(positive, score)
    return precision, recall, float(metrics.average_precision_score(positive, score))
