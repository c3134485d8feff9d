"""Calibration errors and curves of probabilities: against worked examples."""

import builders.packages  # noqa: F401  # before torchmetrics
import numpy as np
import pytest

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')
pytest.importorskip('torchmetrics', reason='needs torchmetrics (pip install affect-perception[eval])')

from affect_perception.evaluation.metrics import calibration


def test_expected_calibration_error_is_the_weighted_gap_of_the_bins():
    # Four frames with 0.9, of which three are right; one with 0.65, and wrong.
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.65, 0.35]])
    reference = np.array([0, 0, 0, 1, 1])
    assert calibration.expected_calibration_error(probabilities, reference) == pytest.approx(
        (4 * 0.15 + 1 * 0.65) / 5, abs=1e-6
    )


def test_reliability_curve_has_a_point_per_bin_that_is_not_empty():
    predicted, share, frames = calibration.reliability_curve(np.array([0.05, 0.07, 0.95, 0.85]), np.array([0, 1, 1, 1]))
    np.testing.assert_allclose(predicted, [0.06, 0.85, 0.95])
    np.testing.assert_allclose(share, [0.5, 1, 1])
    np.testing.assert_array_equal(frames, [2, 1, 1])


def test_average_precision_of_a_worked_example():
    # Positives at ranks 1 and 3: (1/1 + 2/3) / 2
    precision, recall, average = calibration.precision_recall(np.array([0.9, 0.8, 0.7, 0.1]), np.array([1, 0, 1, 0]))
    assert average == pytest.approx((1 + 2 / 3) / 2)
    assert (precision[-1], recall[-1]) == (1, 0)


def test_soft_calibration_error_of_hard_labels_is_that_of_torchmetrics():
    rng = np.random.default_rng(0)
    probabilities, reference = rng.dirichlet(np.ones(4), 500), rng.integers(0, 4, 500)
    correct = (probabilities.argmax(1) == reference).astype(float)
    assert calibration.soft_calibration_error(probabilities.max(1), correct) == pytest.approx(
        calibration.expected_calibration_error(probabilities, reference), abs=1e-6
    )


def test_soft_calibration_error_of_shares_of_votes_is_the_gap_of_the_means():
    error = calibration.soft_calibration_error(np.array([0.9, 0.9, 1.0]), np.array([1.0, 0.8, 0.7]))
    assert error == pytest.approx(0.1)
