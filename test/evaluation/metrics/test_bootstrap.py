"""Confidence intervals: whole people are drawn, the same ones with the same seed."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from affect_perception.evaluation.metrics.bootstrap import interval, intervals_over_people, with_intervals

RNG = np.random.default_rng(3)


def test_interval_draws_whole_people():
    means = [0.0, 1.0]
    low, high = intervals_over_people(lambda drawn: {'mean': float(np.mean([means[p] for p in drawn]))}, 2)['mean'][
        'interval'
    ]
    assert (low, high) == (0, 1)  # both people alike is a quarter of the draws each


def test_interval_is_that_of_the_normal_distribution_for_many_people():
    value = RNG.normal(size=200)
    low, high = intervals_over_people(lambda drawn: {'mean': float(value[drawn].mean())}, 200)['mean']['interval']
    error = 1.96 * value.std() / np.sqrt(200)
    assert low == pytest.approx(value.mean() - error, abs=0.02)
    assert high == pytest.approx(value.mean() + error, abs=0.02)


def test_one_person_has_no_interval():
    assert intervals_over_people(lambda drawn: {'mean': 0.3}, 1) == {'mean': {'value': 0.3, 'interval': None}}


def test_interval_of_single_samples_is_that_of_scipy():
    value = RNG.normal(size=50)
    ours = interval(lambda drawn: float(value[drawn].mean()), np.arange(50))
    theirs = bootstrap((value,), np.mean, n_resamples=1000, method='percentile', rng=np.random.default_rng(0))
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=1e-9)  # the same draws


def test_samples_of_a_person_are_drawn_together():
    groups = np.repeat([0, 1], 100)
    assert interval(lambda drawn: float(groups[drawn].mean()), groups) == (0, 1)


def test_interval_needs_a_value_in_nine_of_ten_draws():
    found = intervals_over_people(lambda drawn: {'a': math.nan if drawn[0] == 0 else 1.0, 'b': 1.0}, 5)
    assert (found['a']['interval'], found['b']['interval']) == (None, [1, 1])


def test_measures_come_with_interval_and_number_of_samples():
    value = np.arange(10.0)
    found = with_intervals({'mean': (lambda drawn: float(value[drawn].mean()), np.arange(10))})
    assert (found['mean']['value'], found['mean']['n']) == (4.5, 10)
