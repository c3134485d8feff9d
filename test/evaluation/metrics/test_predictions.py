"""Scores of predictions on a test set: against worked examples and second implementations."""

import numpy as np
import pytest

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')

from sklearn.metrics import roc_auc_score

from affect_perception.evaluation.metrics import predictions

RNG = np.random.default_rng(1)


@pytest.mark.parametrize('decimals', [1, 9])  # with ties and without
def test_auc_is_that_of_scikit_learn(decimals):
    score, positive = RNG.normal(size=300).round(decimals), RNG.uniform(size=300) < 0.3
    assert predictions.auc(score, positive) == pytest.approx(roc_auc_score(positive, score), abs=1e-12)


def test_auc_of_one_kind_only_is_nan():
    assert np.isnan(predictions.auc(np.zeros(2), np.array([True, True])))
    assert np.isnan(predictions.auc(np.zeros(0), np.zeros(0, bool)))


def test_rank_correlation_is_by_row_and_zero_for_a_constant_one():
    score = np.array([[1, 2, 3], [3, 2, 1], [1, 3, 2], [5, 5, 5], [0, 0, 1.0]])
    np.testing.assert_allclose(predictions.rank_correlation(score), [1, -1, 0.5, 0, np.sqrt(0.75)])


def test_spearman_of_two_series_knows_ties_and_is_nan_for_a_constant_one():
    assert predictions.spearman(np.array([1, 2, 2, 3]), np.array([1, 2, 3, 4])) == pytest.approx(np.sqrt(0.9))
    assert np.isnan(predictions.spearman(np.ones(4), np.arange(4)))


def test_quadratic_kappa_weighs_a_miss_by_its_squared_distance():
    near = predictions.quadratic_kappa(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 3]))
    far = predictions.quadratic_kappa(np.array([0, 1, 2, 0]), np.array([0, 1, 2, 3]))
    assert 1 > near > far
    # p_o = 1/4 of weight 1; expected: sum of w_ij p_i q_j
    table = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]]) / 4
    weight = np.subtract.outer(np.arange(4), np.arange(4)) ** 2
    expected = (weight * np.outer(table.sum(1), table.sum(0))).sum()
    assert near == pytest.approx(1 - (weight * table).sum() / expected)


def test_macro_f1_leaves_absent_classes_out():
    assert predictions.macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1])) == pytest.approx(2 / 3)


def test_accuracies_are_shares_of_right_answers():
    assert predictions.accuracy(np.array([0.6, 0.4, 0.5]), np.array([True, True, False])) == pytest.approx(2 / 3)
    votes = np.array([[3, 1, 0], [0, 1, 0], [1, 0, 0]])
    assert predictions.majority_accuracy(np.eye(3), votes) == pytest.approx(2 / 3)


def test_top_label_error_is_over_all_frames_of_all_films():
    probabilities = np.array([[[0.9, 0.1], [0.9, 0.1]], [[0.9, 0.1], [0.9, 0.1]]])
    assert predictions.top_label_error(probabilities, np.array([[0, 0], [0, 1]])) == pytest.approx(0.15)


def test_pairs_are_ordered_where_the_smiling_image_scores_higher():
    assert predictions.ordered_pairs(np.array([0.1, 0.5, 0.4]), np.array([[0, 1], [1, 2]])) == 0.5
