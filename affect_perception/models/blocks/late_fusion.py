"""Late fusion of class scores, ensembles over seeds, and the accuracies of Vielzeuf et al. 2018 (§2.3 to 2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from affect_perception.errors import ConfigError


def random_forest(seed: int, trees: int = 100) -> Any:
    """Untrained random forest (Breiman 2001) of scikit-learn on audio functionals; `predict_proba` gives its scores."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, random_state=seed)


def fuse(scores: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """Weighted mean (N, K) of class probabilities (N, K) of several models or modalities; equal weights by default.

    A row of NaN is absent: the others of that clip share its weight. NaN where all are absent.
    """
    stack = np.stack([np.asarray(s, float) for s in scores])  # (M, N, K)
    given = np.full(len(stack), 1 / len(stack)) if weights is None else np.asarray(weights, float)
    if given.shape != (len(stack),) or (given < 0).any() or not given.sum() > 0:
        raise ConfigError(f'{len(stack)} scores need as many weights of at least 0, not all 0; given: {list(given)}')
    there = np.isfinite(stack).all(2)
    share = there * given[:, None]
    total = share.sum(0)
    mean = (np.nan_to_num(stack) * share[..., None]).sum(0) / np.where(total > 0, total, 1)[:, None]
    return np.where((total > 0)[:, None], mean, np.nan)


def learn_weights(scores: Sequence[np.ndarray], classes: np.ndarray, steps: int = 20) -> tuple[float, ...]:
    """Weights, multiples of 1 / steps with sum 1, that give the most accurate fusion of validation scores (N, K).

    Among equally accurate weights the likelier classes decide (mean log probability), then the more even weights.
    """
    best: tuple[tuple[float, float, float], tuple[float, ...]] | None = None
    for counts in product(range(steps + 1), repeat=len(scores)):
        if sum(counts) != steps:
            continue
        weights = tuple(count / steps for count in counts)
        fused = fuse(scores, weights)
        likely = np.log(np.clip(fused[np.arange(len(classes)), classes], 1e-9, 1)).mean()
        key = (float((fused.argmax(1) == classes).mean()), float(likely), -sum(w * w for w in weights))
        if best is None or key > best[0]:
            best = (key, weights)
    if best is None:
        raise ConfigError('no scores to learn weights for')
    return best[1]


def weighted_accuracy(said: np.ndarray, classes: np.ndarray, test_counts: Sequence[int]) -> float:
    """Accuracy expected on a test set with `test_counts` clips per class: Σ aᵢ nᵢ / N with aᵢ the recall of class i.

    NaN if a class with test clips has no validation clips.
    """
    counts = np.asarray(test_counts, float)
    recall = np.array(
        [(said[classes == i] == i).mean() if (classes == i).any() else np.nan for i in range(len(counts))]
    )
    there = counts > 0
    return float((recall[there] * counts[there]).sum() / counts.sum())


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation of a score over seeds; deviation NaN for one seed."""
    array = np.asarray(values, float)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else float('nan')
