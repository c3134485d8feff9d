"""Training of the proposal network on small random canvases: the parts after dlib has scored the pictures."""

import argparse

import numpy as np
import pytest
import torch

from affect_perception.detectors.proposals.canvas import OUT
from affect_perception.detectors.proposals.network import ProposalNetwork
from affect_perception.training.proposals import fitting, train


@pytest.fixture
def scored():
    """Canvases (6, 3, 64, 96) and scores of the network's output size, one face above dlib's threshold each."""
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.integers(0, 256, (6, 3, 64, 96), dtype=np.uint8))
    with torch.inference_mode():
        shape = ProposalNetwork().eval()(torch.zeros(1, 3, 64, 96)).shape
    outputs = torch.full((6, *shape[1:]), -1.5, dtype=torch.float16)
    outputs[:, 0, 4, 5] = 0.5
    return inputs, outputs


@pytest.mark.parametrize('initial', [None, 'given'])
def test_training_changes_the_weights_from_chance_and_from_given_ones(scored, initial):
    torch.manual_seed(0)
    network = ProposalNetwork()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    args = argparse.Namespace(seed=0, initial=initial, rate=1e-3, batch=2, minutes=0.01, low=2.0)
    trained = train._train(network.train(), *scored, args)
    assert any(not torch.equal(before[name], value) for name, value in trained.state_dict().items())
    assert all(value.isfinite().all() for value in trained.state_dict().values())
    scores = fitting.evaluate(trained, *scored)
    assert len(scores['recall']) == len(scores['thresholds'])


def test_pictures_with_missed_faces_are_drawn_more_often(scored, monkeypatch):
    monkeypatch.setattr(train, 'missed', lambda estimated, wanted: torch.tensor([0, 2, 0, 20, 0, 0]))
    shares = train._shares(ProposalNetwork().eval(), *scored)
    assert shares.sum() == pytest.approx(1)
    assert (shares / shares[0]).tolist() == pytest.approx([1, 2, 1, 4, 1, 1])


def test_scores_move_and_mirror_with_their_pixels():
    pixels = torch.zeros(1, 3, 64, 96)
    pixels[..., 4 * OUT, 5 * OUT] = 1
    wanted = torch.zeros(1, 2, 64 // OUT, 96 // OUT)
    wanted[..., 4, 5] = 1
    random = torch.Generator().manual_seed(1)
    for _ in range(8):
        shifted, scores = fitting.moved(random, pixels, wanted)
        row, column = (int(i) for i in shifted[0, 0].nonzero()[0])
        assert scores[0, 0, row // OUT, column // OUT] == 1


def test_faces_count_as_missed_where_no_estimate_near_them_reaches_the_threshold(scored):
    _, wanted = scored
    estimated = torch.full(wanted.shape, -1.1)
    estimated[1, 1, 5, 4] = 0.0  # a neighbour on the next level
    assert fitting.missed(estimated, wanted).tolist() == [1, 0, 1, 1, 1, 1]


def test_a_low_estimate_costs_more_than_a_high_one():
    wanted = torch.full((1, 4, 2, 2), 0.5)
    high, low = (fitting.loss_of(wanted + error, wanted, 3.0).item() for error in (0.2, -0.2))
    assert low == pytest.approx(3 * high, rel=1e-3)


def test_the_rate_rises_shortly_and_falls_to_nothing():
    assert fitting.cycle(0) == 0
    assert fitting.cycle(0.05) > 0.98
    assert fitting.cycle(1.0) == pytest.approx(0, abs=1e-9)
