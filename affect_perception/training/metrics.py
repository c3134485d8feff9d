"""Scores of predictions, in numpy, with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive outscores a negative, ties half; NaN without both kinds."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float('nan')
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]  # average rank of equal scores, from 1
    return float((rank[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def accuracy(intensity: np.ndarray, positive: np.ndarray) -> float:
    """Share of pictures on the right side of intensity 0.5."""
    return float(np.mean((intensity > 0.5) == positive))


def calibration_error(intensity: np.ndarray, share: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: gap of mean intensity and mean share in equal bins, weighted by their counts."""
    place = np.minimum((intensity * bins).astype(int), bins - 1)
    gaps = [abs(np.sum(intensity[place == b] - share[place == b])) for b in range(bins)]
    return float(sum(gaps) / len(intensity))


def majority_accuracy(logits: np.ndarray, votes: np.ndarray) -> float:
    """Share of pictures whose likeliest expression is the one with the most votes; (N, K) both."""
    return float(np.mean(logits.argmax(1) == votes.argmax(1)))


def ccc(said: np.ndarray, true: np.ndarray) -> float:
    """Concordance correlation coefficient (Lin 1989) of two series (N,); 1 is agreement in every value."""
    away = np.mean((said - true) ** 2)
    return float(1 - away / (said.var() + true.var() + (said.mean() - true.mean()) ** 2))


def top_label_error(probabilities: np.ndarray, true: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017): how far the highest of (..., K) is from how often it is right."""
    sure, right = probabilities.max(-1).ravel(), (probabilities.argmax(-1) == true).ravel()
    return calibration_error(sure, right.astype(float), bins)


def ordered_pairs(score: np.ndarray, pairs: np.ndarray) -> float:
    """Share of (neutral, smiling) pairs, indices (P, 2), in which the smiling picture scores higher."""
    return float(np.mean(score[pairs[:, 1]] > score[pairs[:, 0]]))


def rank_correlation(score: np.ndarray) -> np.ndarray:
    """Spearman's ρ (1904) of each row of (P, K) scores with the order of its columns; ties have their mean rank."""
    less = (score[:, None, :] < score[:, :, None]).sum(2)
    equal = (score[:, None, :] == score[:, :, None]).sum(2)
    rank = less + (equal - 1) / 2
    rank = rank - rank.mean(1, keepdims=True)
    place = np.arange(score.shape[1]) - (score.shape[1] - 1) / 2
    spread = np.sqrt((rank**2).sum(1) * (place**2).sum())
    return np.divide(rank @ place, spread, out=np.zeros(len(score)), where=spread > 0)


def spearman(said: np.ndarray, true: np.ndarray) -> float:
    """Spearman's ρ (1904) of two series (N,); ties have their mean rank. NaN without two different values of each."""

    def ranks(x: np.ndarray) -> np.ndarray:
        _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
        return (np.cumsum(counts) - (counts - 1) / 2)[place]

    a, b = ranks(said), ranks(true)
    a, b = a - a.mean(), b - b.mean()
    spread = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / spread) if spread > 0 else float('nan')


def quadratic_kappa(said: np.ndarray, true: np.ndarray, classes: int = 4) -> float:
    """Cohen's κ with quadratic weights (Cohen 1968) of two series of classes 0 to classes − 1."""
    table = np.zeros((classes, classes))
    np.add.at(table, (said, true), 1)
    weight = np.subtract.outer(np.arange(classes), np.arange(classes)) ** 2
    expected = np.outer(table.sum(1), table.sum(0)) / max(table.sum(), 1)
    chance = float((weight * expected).sum())
    return 1 - float((weight * table).sum()) / chance if chance else float('nan')


def macro_f1(predicted: np.ndarray, true: np.ndarray, classes: int = 4) -> float:
    """Mean over classes of the harmonic mean of precision and recall; absent classes are left out."""
    scores = []
    for c in range(classes):
        hit, said, there = np.sum((predicted == c) & (true == c)), np.sum(predicted == c), np.sum(true == c)
        if said + there:
            scores.append(2 * hit / (said + there))
    return float(np.mean(scores))


def interval(
    measure: Callable[[np.ndarray], float], groups: np.ndarray, repeats: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of `measure(indices)` by the bootstrap: whole groups (persons) are drawn with replacement."""
    rng = np.random.default_rng(seed)
    _, place = np.unique(groups, return_inverse=True)
    order = np.argsort(place, kind='stable')
    members = np.split(order, np.cumsum(np.bincount(place))[:-1])
    values = [
        measure(np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))]))
        for _ in range(repeats)
    ]
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def with_intervals(measures: dict[str, tuple[Callable[[np.ndarray], float], np.ndarray]]) -> dict[str, dict]:
    """Value, 95 % interval and number of members of each (measure of indices, groups that are drawn whole)."""
    result = {}
    for name, (measure, groups) in measures.items():
        low, high = interval(measure, groups)
        value = measure(np.arange(len(groups)))
        result[name] = {'value': round(value, 4), 'interval': [round(low, 4), round(high, 4)], 'n': len(groups)}
    return result
