"""Scores of continuous predictions: against worked examples and second implementations."""

import math

import builders.packages  # noqa: F401  # before torchmetrics
import numpy as np
import pytest

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')
pytest.importorskip('torchmetrics', reason='needs torchmetrics (pip install affect-perception[eval])')

import torch
from torchmetrics.functional import concordance_corrcoef

from affect_perception.evaluation.metrics import regression

RNG = np.random.default_rng(3)
REFERENCE = RNG.normal(size=400)
PREDICTED = 0.7 * REFERENCE + 0.3 * RNG.normal(size=400) + 0.2


def test_ccc_is_lins_and_nearly_that_of_torchmetrics():
    worked = regression.ccc(np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 4, 5]))
    assert worked == pytest.approx(2 * 1.25 / (1.25 + 1.25 + 1))  # a shift by one: covariance and variances are 5/4
    # torchmetrics divides by N - 1 where Lin divides by N.
    assert regression.ccc(PREDICTED, REFERENCE) == pytest.approx(
        float(concordance_corrcoef(torch.tensor(PREDICTED), torch.tensor(REFERENCE))), abs=1e-3
    )


def test_pearson_and_rmse_are_those_of_numpy():
    found = regression.regression_scores(PREDICTED, REFERENCE)
    assert found['pearson'] == pytest.approx(np.corrcoef(PREDICTED, REFERENCE)[0, 1])
    assert found['rmse'] == pytest.approx(np.sqrt(np.mean((PREDICTED - REFERENCE) ** 2)))


def test_constant_predictions_have_no_correlation():
    found = regression.regression_scores(np.full(10, 0.5), REFERENCE[:10])
    assert math.isnan(found['pearson'])
    assert found['ccc'] == 0
    assert all(map(math.isnan, regression.regression_scores(np.array([]), np.array([])).values()))


def test_scores_from_sums_equal_those_from_the_series():
    sums = regression.moment_sums(PREDICTED[:100], REFERENCE[:100]) + regression.moment_sums(
        PREDICTED[100:], REFERENCE[100:]
    )
    assert regression.scores_from_moments(sums) == pytest.approx(
        regression.regression_scores(PREDICTED, REFERENCE), abs=1e-9
    )
    assert math.isnan(
        regression.scores_from_moments(regression.moment_sums(np.full(10, 0.5), REFERENCE[:10]))['pearson']
    )
