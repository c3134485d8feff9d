"""Losses, and the scores of predictions, by hand."""

import numpy as np
import pytest
import torch
from builders.training import TINY

from affect_perception.evaluation.metrics import predictions
from affect_perception.models.smile_va import AffectHead
from affect_perception.training.losses import ranking_loss, smile_loss


def test_ranking_loss_falls_as_the_order_of_smiling_faces_becomes_right():
    share, strength, clear = (
        torch.tensor([0.9, 0.9, 0.9, 0.1]),
        torch.tensor([0.1, 0.5, 0.9, 0.9]),
        torch.ones(4).bool(),
    )
    right, wrong = (ranking_loss(torch.tensor(x), share, strength, clear) for x in ([-2.0, 0, 2, 0], [2.0, 0, -2, 0]))
    assert 0 < right < 0.1 * wrong
    assert right == ranking_loss(torch.tensor([-2.0, 0, 2, 9]), share, strength, clear)  # the last does not smile
    assert ranking_loss(torch.zeros(4), share, strength.fill_(float('nan')), clear) == 0


def test_smile_loss_is_least_for_presence_and_strength_as_labelled_and_counts_no_unclear_picture():
    head, settings = AffectHead(4), TINY
    share, strength = torch.tensor([0.9, 0.05]), torch.tensor([0.6, 0.02])
    raw = torch.zeros(2, 13)
    raw[:, 0], raw[:, 1] = torch.logit(share), torch.logit(strength)
    clear = torch.ones(2).bool()
    best = smile_loss(head.read(raw), share, strength, clear, settings)
    for place in (0, 1):
        off = raw.clone()
        off[0, place] += 1.0
        assert smile_loss(head.read(off), share, strength, clear, settings) > best
    assert smile_loss(head.read(raw + 3), share, strength, ~clear, settings) == 0


def test_rank_correlation_by_hand():
    score = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0], [5.0, 5.0, 5.0], [1.0, 1.0, 2.0]])
    np.testing.assert_allclose(predictions.rank_correlation(score), [1, -1, 0.5, 0, np.sqrt(0.75)])


def test_auc_by_hand():
    positive = np.array([False, False, True, True])
    assert predictions.auc(np.array([0.1, 0.4, 0.35, 0.8]), positive) == 0.75
    assert predictions.auc(np.zeros(4), positive) == 0.5
    assert np.isnan(predictions.auc(np.zeros(2), np.array([True, True])))


def test_calibration_error_and_f1_by_hand():
    assert predictions.calibration_error(np.array([0.9, 0.9, 1.0]), np.array([1.0, 0.8, 0.7])) == pytest.approx(0.1)
    assert predictions.macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1])) == pytest.approx(2 / 3)


def test_an_interval_holds_the_value_and_is_wider_when_few_persons_have_many_pictures():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=40), 10)

    def width(groups):
        low, high = predictions.interval(lambda i: float(values[i].mean()), groups)
        assert low < values.mean() < high
        return high - low

    assert width(np.arange(400) // 10) > 2 * width(np.arange(400))
