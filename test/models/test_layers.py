"""Smile head: score, intensity and level probabilities are consistent for any weights."""

import torch

from affect_perception.models.layers import SmileHead
from affect_perception.types import LEVEL_BOUNDS


def test_a_stronger_score_never_lowers_the_intensity_or_the_level():
    head = SmileHead(1)
    torch.nn.init.ones_(head.linear.weight)
    torch.nn.init.zeros_(head.linear.bias)
    said = head(torch.linspace(-8, 8, 200)[:, None])
    assert (said.intensity.diff() > 0).all()
    assert (said.levels.argmax(1).diff() >= 0).all()
    assert set(said.levels.argmax(1).tolist()) == {0, 1, 2, 3}


def test_level_probabilities_are_not_negative_and_sum_to_one():
    for seed in range(20):
        torch.manual_seed(seed)
        head = SmileHead(6)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=2.0)
        levels = head(torch.randn(50, 6) * 3).levels
        assert (levels >= 0).all()
        torch.testing.assert_close(levels.sum(1), torch.ones(50))


def test_the_most_probable_level_is_the_one_in_which_the_intensity_lies():
    head = SmileHead(1)
    torch.nn.init.ones_(head.linear.weight)
    torch.nn.init.zeros_(head.linear.bias)
    said = head(torch.linspace(-5, 5, 2001)[:, None])
    level = torch.bucketize(said.intensity, torch.tensor(LEVEL_BOUNDS))
    away_from_bounds = (said.intensity[:, None] - torch.tensor(LEVEL_BOUNDS)).abs().min(1).values > 0.02
    assert torch.equal(said.levels.argmax(1)[away_from_bounds], level[away_from_bounds])


def test_rescaling_replaces_the_score():
    head, embedding = SmileHead(6), torch.randn(9, 6)
    before = head(embedding)
    head.rescale(1.7, -0.3)
    torch.testing.assert_close(head(embedding).score, 1.7 * before.score - 0.3)
