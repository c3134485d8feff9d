"""Scores of numbers and probabilities: against worked examples and second implementations."""

import math

import numpy as np
import pytest

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')
pytest.importorskip('torchmetrics', reason='needs torchmetrics (pip install affect-perception[eval])')

import torch
from torchmetrics.functional import concordance_corrcoef

from affect_perception.evaluation.metrics import level_scores

RNG = np.random.default_rng(3)
TRUE = RNG.normal(size=400)
SAID = 0.7 * TRUE + 0.3 * RNG.normal(size=400) + 0.2


def test_ccc_is_lins_and_nearly_that_of_torchmetrics():
    worked = level_scores.ccc(np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 4, 5]))
    assert worked == pytest.approx(2 * 1.25 / (1.25 + 1.25 + 1))  # a shift by one: covariance and variances are 5/4
    # torchmetrics divides by N - 1 where Lin divides by N.
    assert level_scores.ccc(SAID, TRUE) == pytest.approx(
        float(concordance_corrcoef(torch.tensor(SAID), torch.tensor(TRUE))), abs=1e-3
    )


def test_pearson_and_rmse_are_those_of_numpy():
    found = level_scores.numbers(SAID, TRUE)
    assert found['pearson'] == pytest.approx(np.corrcoef(SAID, TRUE)[0, 1])
    assert found['rmse'] == pytest.approx(np.sqrt(np.mean((SAID - TRUE) ** 2)))


def test_numbers_that_never_change_correlate_with_nothing():
    found = level_scores.numbers(np.full(10, 0.5), TRUE[:10])
    assert math.isnan(found['pearson'])
    assert found['ccc'] == 0
    assert all(map(math.isnan, level_scores.numbers(np.array([]), np.array([])).values()))


def test_numbers_of_sums_are_those_of_the_series():
    sums = level_scores.moments(SAID[:100], TRUE[:100]) + level_scores.moments(SAID[100:], TRUE[100:])
    assert level_scores.numbers_of(sums) == pytest.approx(level_scores.numbers(SAID, TRUE), abs=1e-9)
    assert math.isnan(level_scores.numbers_of(level_scores.moments(np.full(10, 0.5), TRUE[:10]))['pearson'])


def test_expected_calibration_error_is_the_weighted_gap_of_the_bins():
    # Four frames said with 0.9, of which three were right; one said with 0.65 and wrong.
    chance = np.array([[0.9, 0.1]] * 4 + [[0.65, 0.35]])
    true = np.array([0, 0, 0, 1, 1])
    assert level_scores.expected_calibration_error(chance, true) == pytest.approx((4 * 0.15 + 1 * 0.65) / 5, abs=1e-6)


def test_calibration_curve_has_a_point_per_bin_that_is_not_empty():
    said, share, frames = level_scores.calibration_curve(np.array([0.05, 0.07, 0.95, 0.85]), np.array([0, 1, 1, 1]))
    np.testing.assert_allclose(said, [0.06, 0.85, 0.95])
    np.testing.assert_allclose(share, [0.5, 1, 1])
    np.testing.assert_array_equal(frames, [2, 1, 1])


def test_average_precision_of_a_worked_example():
    # Positives at ranks 1 and 3: (1/1 + 2/3) / 2
    precision, recall, average = level_scores.precision_recall(np.array([0.9, 0.8, 0.7, 0.1]), np.array([1, 0, 1, 0]))
    assert average == pytest.approx((1 + 2 / 3) / 2)
    assert (precision[-1], recall[-1]) == (1, 0)


def levels(*stretches):
    return np.concatenate([np.full(frames, level, float) for frames, level in stretches])


def test_onset_delay_is_the_time_until_the_model_smiles_too():
    reference = levels((30, 0), (30, 2), (30, 0), (30, 1))
    said = levels((36, 0), (30, 3), (21, 0), (33, 1))
    delays, onsets, already = level_scores.onset_delays(reference, said, 0.1)
    np.testing.assert_allclose(delays, [0.6, -0.3])
    assert (onsets, already) == (2, 0)


def test_onset_that_the_model_misses_or_smiles_through_has_no_delay():
    reference = levels((30, 0), (30, 2), (30, 0), (30, 1))
    said = levels((20, 0), (40, 1), (60, 0))
    assert level_scores.onset_delays(reference, said, 0.1) == ([], 2, 1)


def test_flicker_of_a_label_is_no_onset():
    reference = levels((30, 0), (1, 2), (30, 0))
    assert level_scores.onset_delays(reference, reference, 0.1) == ([], 0, 0)


def test_interval_draws_whole_people():
    means = [0.0, 1.0]
    low, high = level_scores.intervals(lambda drawn: {'mean': float(np.mean([means[p] for p in drawn]))}, 2)['mean'][
        'interval'
    ]
    assert (low, high) == (0, 1)  # both people alike is a quarter of the draws each


def test_interval_is_that_of_the_normal_distribution_for_many_people():
    value = RNG.normal(size=200)
    low, high = level_scores.intervals(lambda drawn: {'mean': float(value[drawn].mean())}, 200)['mean']['interval']
    error = 1.96 * value.std() / np.sqrt(200)
    assert low == pytest.approx(value.mean() - error, abs=0.02)
    assert high == pytest.approx(value.mean() + error, abs=0.02)


def test_one_person_has_no_interval():
    assert level_scores.intervals(lambda drawn: {'mean': 0.3}, 1) == {'mean': {'value': 0.3, 'interval': None}}
