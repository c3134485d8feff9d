"""95 % confidence intervals by the percentile bootstrap over groups: all samples of a person are drawn together.

Own code: `scipy.stats.bootstrap` draws single samples, not groups, and returns NaN as soon as one draw is undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

REPEATS = 1000
MAX_UNDEFINED = 0.1  # share of draws without a value above which there is no interval


def draw_groups(groups: int, repeats: int = REPEATS, seed: int = 0) -> np.ndarray:
    """(repeats, groups) indices of `groups` groups drawn with replacement; the same seed gives the same draws."""
    return np.random.default_rng(seed).integers(0, groups, (repeats, groups))


def percentile_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """2.5 % and 97.5 % quantile of the values of the draws; draws whose value is NaN are left out."""
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def interval_if_defined(values: Sequence[float]) -> list[float] | None:
    """`percentile_interval` as a list for JSON; None without draws or where more than a tenth of them are NaN."""
    if not len(values) or np.isnan(values).mean() > MAX_UNDEFINED:
        return None
    return list(percentile_interval(values))


def intervals_over_people(
    measure: Callable[[list[int]], dict[str, float]], people: int, repeats: int = REPEATS, seed: int = 0
) -> dict[str, dict]:
    """`value` of each score over all people, and its `interval` by the bootstrap.

    `measure` maps indices of people, some of them repeated, to scores by name. The interval is None for a single
    person, whose frames say nothing about other people, and where more than a tenth of the draws have no value.
    """
    whole = measure(list(range(people)))
    draws = draw_groups(people, repeats, seed) if people > 1 else np.zeros((0, 1), int)
    ordered = [tuple(drawn) for drawn in np.sort(draws, axis=1).tolist()]
    scores = {drawn: measure(list(drawn)) for drawn in dict.fromkeys(ordered)}  # few people: few different draws
    return {
        name: {'value': value, 'interval': interval_if_defined([scores[drawn][name] for drawn in ordered])}
        for name, value in whole.items()
    }


def interval(
    measure: Callable[[np.ndarray], float], groups: np.ndarray, repeats: int = REPEATS, seed: int = 0
) -> tuple[float, float]:
    """Interval of `measure(indices)` over samples whose group (person) is `groups` (N,); whole groups are drawn."""
    _, place = np.unique(groups, return_inverse=True)
    order = np.argsort(place, kind='stable')
    members = np.split(order, np.cumsum(np.bincount(place))[:-1])
    draws = draw_groups(len(members), repeats, seed)
    return percentile_interval([measure(np.concatenate([members[g] for g in drawn])) for drawn in draws])


def with_intervals(measures: dict[str, tuple[Callable[[np.ndarray], float], np.ndarray]]) -> dict[str, dict]:
    """Value, interval (four decimals) and number of samples of each named (measure of indices, groups)."""
    result = {}
    for name, (measure, groups) in measures.items():
        low, high = interval(measure, groups)
        value = measure(np.arange(len(groups)))
        result[name] = {'value': round(value, 4), 'interval': [round(low, 4), round(high, 4)], 'n': len(groups)}
    return result
