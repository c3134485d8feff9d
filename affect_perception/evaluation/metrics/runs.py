"""Runs of a label sequence (maximal stretches of one class), their segment table, and onset delays."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

EARLY_S, LATE_S = 0.5, 2.0  # a predicted onset within this time of a reference onset is the same smile
SHORTEST_S = 0.2  # shorter smiles and pauses are label flicker, not an onset


class OnsetDelays(NamedTuple):
    """Onsets of one rater against the reference: delays of the matched ones, counts of all reference onsets."""

    delays_s: list[float]
    onsets: int
    already_smiling: int  # onsets at which the rater smiled before; without a delay


def find_runs(levels: np.ndarray) -> list[tuple[int, int, int]]:
    """(first frame, end, level) of the maximal runs of one level in (F,) levels; NaN belongs to no run."""
    filled = np.where(np.isnan(levels), -1, levels).astype(int)
    edges = np.flatnonzero(np.diff(filled)) + 1
    starts, ends = np.concatenate([[0], edges]).astype(int), np.concatenate([edges, [len(filled)]]).astype(int)
    return [
        (s, e, int(filled[s])) for s, e in zip(starts.tolist(), ends.tolist(), strict=True) if e > s and filled[s] >= 0
    ]


def segment_table(pairs: Sequence[tuple[np.ndarray, np.ndarray]], classes: int) -> np.ndarray:
    """(K, K) confusion table of segments (runs) instead of frames, over pairs of (F,) levels of two raters.

    Every run of either rater, neutral ones too, counts once: its level against the level that the other rater gives for
    most of its duration. Short smiles thus weigh as much as long ones, and the exact frame of a boundary does not
    matter. (Witzig et al. 2019 say "segment overlap" and no more; this is our reading.)
    """
    counts = np.zeros((classes, classes), int)
    for first, second in pairs:
        known = ~(np.isnan(first) | np.isnan(second))
        one, two = np.where(known, first, np.nan), np.where(known, second, np.nan)
        for start, end, level in find_runs(one):
            counts[level, _commonest(two[start:end], classes)] += 1
        for start, end, level in find_runs(two):
            counts[_commonest(one[start:end], classes), level] += 1
    return counts


def _commonest(levels: np.ndarray, classes: int) -> int:
    return int(np.bincount(levels.astype(int), minlength=classes).argmax())


def onset_delays(reference: np.ndarray, predicted: np.ndarray, period_s: float) -> OnsetDelays:
    """Delay in s (negative: early) of the predicted smile at each reference onset, of (F,) levels, 0 for neutral.

    An onset is the end of at least 0.2 s of neutral and the start of at least 0.2 s of smile. The predicted onset may
    lie 0.5 s before to 2 s after it, and not after the end of the smile. `period_s` is the time between two frames.
    """
    delays: list[float] = []
    onsets = already = 0
    shortest = max(round(SHORTEST_S / period_s), 1)
    smiles = find_runs(np.where(np.isnan(reference), np.nan, (reference > 0).astype(float)))
    for (start, end, before), (at, until, after) in itertools.pairwise(smiles):
        if (before, after) != (0, 1) or end != at or end - start < shortest or until - at < shortest:
            continue
        onsets += 1
        first = max(start, at - round(EARLY_S / period_s))
        window = predicted[first : min(until, at + round(LATE_S / period_s) + 1)] > 0  # NaN compares false: no smile
        if window[0]:
            already += 1
        elif window.any():
            delays.append((first + int(window.argmax()) - at) * period_s)
    return OnsetDelays(delays, onsets, already)


def half_rise_delay(shown: np.ndarray, predicted: np.ndarray, period_s: float) -> float:
    """Delay in s from the frame that shows half of a smile's apex to the frame that predicts half of the rise.

    Both (T,) intensities in [0, 1] of one scripted smile that begins after frame 15. The rise is from the mean
    prediction before the onset (frames 5 to 15) to the mean at the apex; infinite where it is below 0.05.
    """
    before, apex = predicted[shown <= 0][5:15].mean(), predicted[shown >= 0.98 * shown.max()].mean()
    begin = int(np.argmax(shown >= shown.max() / 2))
    risen = np.flatnonzero(predicted[10:] >= (before + apex) / 2) + 10
    return float((risen[0] - begin) * period_s) if apex > before + 0.05 and len(risen) else np.inf
