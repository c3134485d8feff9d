"""Ordinal levels: level probabilities and intensity are consistent for any weights of the head."""

import torch

from affect_perception.models.smile_va import AffectHead
from affect_perception.types import LEVEL_BOUNDS


def test_a_higher_score_never_lowers_the_level():
    levels = AffectHead(1).levels_of(torch.linspace(-8, 8, 200))
    assert (levels.argmax(1).diff() >= 0).all()
    assert set(levels.argmax(1).tolist()) == {0, 1, 2, 3}


def test_level_probabilities_are_not_negative_and_sum_to_one():
    for seed in range(20):
        torch.manual_seed(seed)
        head = AffectHead(6)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=2.0)
        levels = head(torch.randn(50, 6) * 3).levels
        assert (levels >= 0).all()
        torch.testing.assert_close(levels.sum(1), torch.ones(50))


def test_the_most_probable_level_is_the_one_in_which_the_intensity_lies():
    intensity = torch.linspace(0.005, 0.995, 2001)
    levels = AffectHead(1).levels_of(torch.logit(intensity))
    level = torch.bucketize(intensity, torch.tensor(LEVEL_BOUNDS))
    away_from_bounds = (intensity[:, None] - torch.tensor(LEVEL_BOUNDS)).abs().min(1).values > 0.02
    assert torch.equal(levels.argmax(1)[away_from_bounds], level[away_from_bounds])


def test_knots_become_the_bounds_of_the_levels():
    head = AffectHead(1)
    head.knots.copy_(torch.tensor((0.2, 0.3, 0.6)))
    torch.testing.assert_close(head.calibrated(head.knots), torch.tensor(LEVEL_BOUNDS))
    assert (head.calibrated(torch.linspace(0, 1, 100)).diff() > 0).all()
