"""Training of the proposal network on small random canvases: the parts after dlib has scored the pictures."""

import argparse

import numpy as np
import pytest
import torch

from affect_perception.detectors.proposals.canvas import OUT
from affect_perception.detectors.proposals.network import ProposalNetwork
from affect_perception.training.proposals import train


@pytest.fixture
def scored():
    """Canvases (6, 64, 96, 3) and scores of the network's output size, one face above dlib's threshold each."""
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (6, 64, 96, 3), dtype=np.uint8)
    with torch.inference_mode():
        shape = ProposalNetwork().eval()(torch.zeros(1, 3, 64, 96)).shape
    outputs = np.full((6, *shape[1:]), -1.5, np.float16)
    outputs[:, 0, 4, 5] = 0.5
    return inputs, outputs


@pytest.mark.parametrize('initial', [None, 'given'])
def test_training_changes_the_weights_from_chance_and_from_given_ones(scored, initial):
    torch.manual_seed(0)
    network = ProposalNetwork()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    args = argparse.Namespace(seed=0, initial=initial, rate=1e-3, batch=2, minutes=0.01)
    trained = train._train(network.train(), *scored, args)
    assert any(not torch.equal(before[name], value) for name, value in trained.state_dict().items())
    assert all(value.isfinite().all() for value in trained.state_dict().values())
    scores = train.evaluate(trained, *scored)
    assert len(scores['recall']) == len(scores['thresholds'])


def test_pictures_with_missed_faces_are_drawn_more_often(scored, monkeypatch):
    missed = iter([0, 2, 0, 20, 0, 0])
    monkeypatch.setattr(train, '_missed', lambda estimated, wanted: next(missed))
    shares = train._shares(ProposalNetwork().eval(), *scored)
    assert shares.sum() == pytest.approx(1)
    assert (shares / shares[0]).tolist() == pytest.approx([1, 2, 1, 4, 1, 1])


def test_scores_move_and_mirror_with_their_pixels():
    pixels = torch.zeros(1, 3, 64, 96)
    pixels[..., 4 * OUT, 5 * OUT] = 1
    wanted = torch.zeros(1, 2, 64 // OUT, 96 // OUT)
    wanted[..., 4, 5] = 1
    rng = np.random.default_rng(1)
    for _ in range(8):
        moved, scores = train._moved(rng, pixels, wanted)
        row, column = (int(i) for i in moved[0, 0].nonzero()[0])
        assert scores[0, 0, row // OUT, column // OUT] == 1
