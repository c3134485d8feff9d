"""Agreement of raters: against worked examples from the literature and against second implementations."""

import math

import numpy as np
import pytest

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')

from affect_perception.evaluation.metrics import agreement
from affect_perception.evaluation.metrics import predictions as ours

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
    counts = agreement.table(FIRST, SECOND, 4)
    distance = np.abs(np.subtract.outer(range(4), range(4)))
    weight = distance**2 if weights else (distance > 0)
    assert agreement.kappa(counts, weights) == pytest.approx(kappa_by_hand(counts, weight), abs=1e-12)


def test_kappa_without_levels_takes_all_smiles_together():
    counts = agreement.table(FIRST, SECOND, 4)
    smiles = agreement.table((FIRST > 0).astype(float), (SECOND > 0).astype(float), 2)
    np.testing.assert_array_equal(agreement.without_levels(counts), smiles)


def test_kappa_of_raters_who_know_one_class_only_is_not_defined():
    assert math.isnan(agreement.kappa(np.array([[7, 0], [0, 0]])))


def test_unlabelled_frames_are_left_out_of_the_table():
    counts = agreement.table(np.array([0, 1, np.nan, 1]), np.array([0, 0, 1, np.nan]), 2)
    np.testing.assert_array_equal(counts, [[1, 0], [1, 0]])


def test_classification_scores_are_those_of_the_definitions():
    counts = agreement.table(FIRST, SECOND, 4)
    found = agreement.classification(counts)
    assert found['accuracy'] == pytest.approx(np.mean(FIRST == SECOND))
    assert found['balanced_accuracy'] == pytest.approx(np.mean(np.diag(counts) / counts.sum(1)))
    assert found['macro_f1'] == pytest.approx(ours.macro_f1(SECOND, FIRST))


def test_confusion_by_recall_and_its_dual_by_precision():
    # 10 neutral frames, 2 of them called a smile; 5 smiles, 1 of them called neutral.
    counts = np.array([[8, 2], [1, 4]])
    np.testing.assert_allclose(agreement.by_recall(counts), [[0.8, 0.2], [0.2, 0.8]])
    np.testing.assert_allclose(agreement.by_precision(counts), [[8 / 9, 1 / 9], [2 / 6, 4 / 6]])
    each = agreement.per_class(counts)
    np.testing.assert_allclose(each['recall'], np.diag(agreement.by_recall(counts)))
    np.testing.assert_allclose(each['precision'], np.diag(agreement.by_precision(counts)))
    np.testing.assert_array_equal(each['frames'], [10, 5])


def test_segments_count_once_however_long_they_are():
    # The first smiles twice; the second misses the short one and begins the long one late.
    first = np.array([0] * 10 + [2] * 2 + [0] * 10 + [2] * 20, float)
    second = np.array([0] * 24 + [2] * 18, float)
    counts = agreement.segment_table([(first, second)], 4)
    # Of the first: 0-0, 2-0, 0-0, 2-2. Of the second: 0 over 24 frames (first: mostly 0), 2-2.
    assert counts[0, 0] == 3
    assert counts[2, 0] == 1
    assert counts[2, 2] == 2
    assert counts.sum() == 6
    # p_o = 5/6, p_e = (3·4 + 3·2) / 36 = 1/2
    assert agreement.kappa(counts) == pytest.approx((5 / 6 - 1 / 2) / (1 - 1 / 2))


def test_runs_end_where_the_level_changes_or_nothing_is_labelled():
    assert agreement.runs_of(np.array([0, 0, 1, np.nan, 1])) == [(0, 2, 0), (2, 3, 1), (4, 5, 1)]
    assert agreement.runs_of(np.array([])) == []
