"""Agreement of raters: against worked examples from the literature and against second implementations."""

import math

import numpy as np
import pytest

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')

from affect_perception.evaluation.metrics import agreement, predictions

RNG = np.random.default_rng(5)
FIRST = RNG.integers(0, 4, 500).astype(float)
SECOND = np.where(RNG.uniform(size=500) < 0.6, FIRST, RNG.integers(0, 4, 500))


def kappa_by_hand(counts, weight):
    """Cohen 1968: 1 - observed over expected disagreement."""
    share = counts / counts.sum()
    expected = np.outer(share.sum(1), share.sum(0))
    return 1 - (weight * share).sum() / (weight * expected).sum()


def test_kappa_is_that_of_cohens_own_example():
    # Cohen 1960, table 1 (proportions of 200 cases): κ = .492
    counts = np.array([[88, 10, 2], [14, 40, 6], [18, 10, 12]])
    assert agreement.kappa(counts) == pytest.approx(0.492, abs=5e-4)


@pytest.mark.parametrize('weights', [None, 'quadratic'])
def test_kappa_of_a_table_is_kappa_by_hand(weights):
    counts = agreement.confusion_table(FIRST, SECOND, 4)
    distance = np.abs(np.subtract.outer(range(4), range(4)))
    weight = distance**2 if weights else (distance > 0)
    assert agreement.kappa(counts, weights) == pytest.approx(kappa_by_hand(counts, weight), abs=1e-12)


def test_kappa_without_levels_takes_all_smiles_together():
    counts = agreement.confusion_table(FIRST, SECOND, 4)
    smiles = agreement.confusion_table((FIRST > 0).astype(float), (SECOND > 0).astype(float), 2)
    np.testing.assert_array_equal(agreement.merge_smile_levels(counts), smiles)


def test_kappa_of_raters_with_one_class_only_is_nan():
    assert math.isnan(agreement.kappa(np.array([[7, 0], [0, 0]])))


def test_unlabelled_frames_are_left_out_of_the_table():
    counts = agreement.confusion_table(np.array([0, 1, np.nan, 1]), np.array([0, 0, 1, np.nan]), 2)
    np.testing.assert_array_equal(counts, [[1, 0], [1, 0]])


def test_classification_scores_are_those_of_the_definitions():
    counts = agreement.confusion_table(FIRST, SECOND, 4)
    found = agreement.classification_scores(counts)
    assert found['accuracy'] == pytest.approx(np.mean(FIRST == SECOND))
    assert found['balanced_accuracy'] == pytest.approx(np.mean(np.diag(counts) / counts.sum(1)))
    assert found['macro_f1'] == pytest.approx(predictions.macro_f1(SECOND, FIRST))


def test_confusion_by_recall_and_its_dual_shares_by_precision():
    # 10 neutral frames, 2 of them called a smile; 5 smiles, 1 of them called neutral.
    counts = np.array([[8, 2], [1, 4]])
    np.testing.assert_allclose(agreement.shares_by_recall(counts), [[0.8, 0.2], [0.2, 0.8]])
    np.testing.assert_allclose(agreement.shares_by_precision(counts), [[8 / 9, 1 / 9], [2 / 6, 4 / 6]])
    each = agreement.scores_per_class(counts)
    np.testing.assert_allclose(each['recall'], np.diag(agreement.shares_by_recall(counts)))
    np.testing.assert_allclose(each['precision'], np.diag(agreement.shares_by_precision(counts)))
    np.testing.assert_array_equal(each['frames'], [10, 5])
