"""Scores of numbers and probabilities against labels, delays of smile onsets, and intervals over people.

scikit-learn and SciPy's statistics are imported where they are used: that takes a second, which a report without
labels need not spend.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from affect_perception.evaluation.metrics.agreement import runs_of

REPEATS = 1000
BINS = 10
_EARLY_S, _LATE_S = 0.5, 2.0  # a smile that the model sees within this time of its onset is the same smile
_SHORTEST_S = 0.2  # shorter smiles and pauses are flicker of a label, not an onset


def ccc(said: np.ndarray, true: np.ndarray) -> float:
    """Concordance correlation coefficient of Lin (1989) of two (N,) series; NaN when neither varies."""
    spread = said.var() + true.var() + (said.mean() - true.mean()) ** 2
    return (
        float(2 * np.mean((said - said.mean()) * (true - true.mean())) / spread) if len(said) and spread else math.nan
    )


def numbers(said: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """CCC, Pearson's r and RMSE of (N,) numbers without NaN; NaN for what is not defined."""
    from scipy.stats import pearsonr
    from sklearn import metrics

    if len(said) < 2:
        return dict.fromkeys(('ccc', 'pearson', 'rmse'), math.nan)
    varies = said.std() > 1e-9 and true.std() > 1e-9
    return {
        'ccc': ccc(said, true),
        'pearson': float(pearsonr(said, true).statistic) if varies else math.nan,
        'rmse': float(metrics.root_mean_squared_error(true, said)),
    }


def moments(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(6,) sums of (N,) numbers, which add over people: count, both, both squared, and their product."""
    return np.array([len(said), said.sum(), true.sum(), (said**2).sum(), (true**2).sum(), (said * true).sum()])


def numbers_of(sums: np.ndarray) -> dict[str, float]:
    """`numbers` from `moments`: the same but for rounding, at no cost for a thousand draws."""
    count = sums[0]
    if count < 2:
        return dict.fromkeys(('ccc', 'pearson', 'rmse'), math.nan)
    said, true, said2, true2, both = sums[1:] / count
    spread_said, spread_true, together = said2 - said**2, true2 - true**2, both - said * true
    least = 1e-12
    away = spread_said + spread_true + (said - true) ** 2
    return {
        'ccc': 2 * together / away if away > least else math.nan,
        'pearson': together / math.sqrt(spread_said * spread_true)
        if min(spread_said, spread_true) > least
        else math.nan,
        'rmse': math.sqrt(max(said2 + true2 - 2 * both, 0.0)),
    }


def expected_calibration_error(probabilities: np.ndarray, true: np.ndarray, bins: int = BINS) -> float:
    """ECE (Guo et al. 2017) of the likeliest class: (N, K) probabilities, (N,) classes; computed by torchmetrics."""
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    if not len(true):
        return math.nan
    said, wanted = torch.from_numpy(probabilities), torch.from_numpy(true.astype(np.int64))
    return float(multiclass_calibration_error(said, wanted, probabilities.shape[1], n_bins=bins, norm='l1'))


def calibration_curve(probability: np.ndarray, happened: np.ndarray, bins: int = BINS) -> tuple[np.ndarray, ...]:
    """Of (N,) probabilities in equal bins: mean said, share that happened, frames; empty bins are left out."""
    from sklearn.calibration import calibration_curve as reliability

    share, said = reliability(happened, np.clip(probability, 0, 1), n_bins=bins)
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probability)  # the bins of scikit-learn
    counts = np.bincount(place, minlength=bins)
    return said, share, counts[counts > 0]


def precision_recall(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Precision and recall at every threshold, and the average precision; of (N,) scores, where some are positive."""
    from sklearn import metrics

    precision, recall, _ = metrics.precision_recall_curve(positive, score)
    return precision, recall, float(metrics.average_precision_score(positive, score))


def onset_delays(reference: np.ndarray, said: np.ndarray, period_s: float) -> tuple[list[float], int, int]:
    """Seconds by which the model is later (negative: earlier) at each onset of a smile that both have.

    Of (F,) levels, 0 for neutral. Returns the delays, how many onsets the reference has, and how many of them count for
    nothing because the model smiled already. An onset is the end of at least 0.2 s of neutral and the start of at least
    0.2 s of smile; the model's may lie 0.5 s before to 2 s after it, and not after the smile's end.
    """
    delays: list[float] = []
    onsets = already = 0
    shortest = max(round(_SHORTEST_S / period_s), 1)
    smiles = runs_of(np.where(np.isnan(reference), np.nan, (reference > 0).astype(float)))
    for (start, end, before), (at, until, after) in itertools.pairwise(smiles):
        if (before, after) != (0, 1) or end != at or end - start < shortest or until - at < shortest:
            continue
        onsets += 1
        first = max(start, at - round(_EARLY_S / period_s))
        window = said[first : min(until, at + round(_LATE_S / period_s) + 1)] > 0  # NaN compares false: no smile seen
        if window[0]:
            already += 1
        elif window.any():
            delays.append((first + int(window.argmax()) - at) * period_s)
    return delays, onsets, already


def intervals(
    measure: Callable[[list[int]], dict[str, float]], people: int, repeats: int = REPEATS, seed: int = 0
) -> dict[str, dict]:
    """`value` of each score over all people, and its 95 % `interval` by the bootstrap: whole people are drawn.

    `measure` gets indices of people, some of them more than once. The interval is None for a single person, who says
    nothing about others, and where more than a tenth of the draws have no value.
    """
    whole = measure(list(range(people)))
    draws = np.random.default_rng(seed).integers(0, people, (repeats, people)) if people > 1 else np.zeros((0, 1), int)
    known: dict[tuple[int, ...], dict[str, float]] = {}  # few people are drawn in the same way again and again
    for drawn in map(tuple, np.sort(draws, axis=1).tolist()):
        if drawn not in known:
            known[drawn] = measure(list(drawn))
    each = [known[drawn] for drawn in map(tuple, np.sort(draws, axis=1).tolist())]
    return {name: {'value': value, 'interval': _middle([one[name] for one in each])} for name, value in whole.items()}


def _middle(values: Sequence[float]) -> list[float] | None:
    """The middle 95 %."""
    if not len(values) or np.isnan(values).mean() > 0.1:
        return None
    return np.nanquantile(values, [0.025, 0.975]).tolist()
