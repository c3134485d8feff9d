"""Runs, segment tables and onset delays on sequences made by hand."""

import numpy as np
import pytest

from affect_perception.evaluation.metrics import agreement, runs


def test_segments_count_once_however_long_they_are():
    # The first smiles twice; the second misses the short one and begins the long one late.
    first = np.array([0] * 10 + [2] * 2 + [0] * 10 + [2] * 20, float)
    second = np.array([0] * 24 + [2] * 18, float)
    counts = runs.segment_table([(first, second)], 4)
    # Of the first: 0-0, 2-0, 0-0, 2-2. Of the second: 0 over 24 frames (first: mostly 0), 2-2.
    assert counts[0, 0] == 3
    assert counts[2, 0] == 1
    assert counts[2, 2] == 2
    assert counts.sum() == 6
    # p_o = 5/6, p_e = (3·4 + 3·2) / 36 = 1/2
    pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')
    assert agreement.kappa(counts) == pytest.approx((5 / 6 - 1 / 2) / (1 - 1 / 2))


def test_runs_end_where_the_level_changes_or_nothing_is_labelled():
    assert runs.find_runs(np.array([0, 0, 1, np.nan, 1])) == [(0, 2, 0), (2, 3, 1), (4, 5, 1)]
    assert runs.find_runs(np.array([])) == []


def levels(*stretches):
    return np.concatenate([np.full(frames, level, float) for frames, level in stretches])


def test_onset_delay_is_the_time_until_the_model_smiles_too():
    reference = levels((30, 0), (30, 2), (30, 0), (30, 1))
    predicted = levels((36, 0), (30, 3), (21, 0), (33, 1))
    delays, onsets, already = runs.onset_delays(reference, predicted, 0.1)
    np.testing.assert_allclose(delays, [0.6, -0.3])
    assert (onsets, already) == (2, 0)


def test_onset_that_is_missed_or_smiled_through_has_no_delay():
    reference = levels((30, 0), (30, 2), (30, 0), (30, 1))
    predicted = levels((20, 0), (40, 1), (60, 0))
    assert runs.onset_delays(reference, predicted, 0.1) == ([], 2, 1)


def test_flicker_of_a_label_is_no_onset():
    reference = levels((30, 0), (1, 2), (30, 0))
    assert runs.onset_delays(reference, reference, 0.1) == ([], 0, 0)


def test_half_rise_delay_is_the_time_from_half_shown_to_half_predicted():
    shown = np.concatenate([np.zeros(30), np.linspace(0, 1, 11), np.ones(30)])
    assert runs.half_rise_delay(shown, np.concatenate([np.zeros(6), shown[:-6]]), 1 / 30) == pytest.approx(0.2)
    assert runs.half_rise_delay(shown, np.full(71, 0.3), 1 / 30) == np.inf
