"""Proposal network: canvas, folded weights, selection, and the file."""

import numpy as np
import pytest

pytest.importorskip('torch')

import torch

from affect_perception.detectors.proposals import weights
from affect_perception.detectors.proposals.canvas import CELL, OUT, draw, proposal_canvas
from affect_perception.detectors.proposals.finder import ProposalFinder
from affect_perception.detectors.proposals.network import ProposalNetwork
from affect_perception.errors import ConfigError


@pytest.mark.parametrize('size', [(10, 10), (10, 900), (200, 40), (720, 1280), (1080, 1920)])
@pytest.mark.parametrize('enlarged', [False, True])
def test_scales_lie_apart_on_whole_cells_of_the_canvas(size, enlarged):
    canvas = proposal_canvas(*size, enlarged)
    taken = np.zeros((canvas.height, canvas.width), int)
    for scale in canvas.scales:
        assert scale.top % CELL == scale.left % CELL == 0
        taken[scale.top - 4 : scale.top + scale.height + 4, scale.left - 4 : scale.left + scale.width + 4] += 1
    assert taken.max() == 1
    assert canvas.height % CELL == canvas.width % CELL == 0
    assert [scale.first_level for scale in canvas.scales[:2]][: len(canvas.scales)][0] == (-4 if enlarged else 0)


def test_the_image_is_drawn_at_a_quarter_and_smaller():
    rgb = np.zeros((320, 640, 3), np.uint8) + np.uint8([10, 200, 30])
    canvas = proposal_canvas(320, 640, False)
    drawn = draw(rgb, canvas)
    for scale in canvas.scales:
        assert (drawn[scale.top : scale.top + scale.height, scale.left : scale.left + scale.width] == rgb[0, 0]).all()
    assert (canvas.scales[0].height, canvas.scales[0].width) == (80, 160)


def test_the_folded_network_answers_the_same():
    network = ProposalNetwork(stem=8, width=16, blocks=2)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
    pixels = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    expected, folded = network.eval()(pixels), network.folded()(pixels)
    assert folded.shape == (1, 4, 64 // OUT, 96 // OUT)
    assert torch.allclose(folded, expected, atol=1e-5)


def finder(values, threshold=-0.5):
    class Finder(ProposalFinder):
        def __init__(self):
            self.threshold = threshold

        def estimate(self, rgb, canvas):
            estimate = np.full((4, canvas.height // OUT, canvas.width // OUT), -9, np.float32)
            for place, score in values.items():
                estimate[place] = score
            return estimate

    return Finder()


def test_local_maxima_are_proposed_best_first_at_the_centroid_of_what_is_near():
    values = {(0, 10, 10): 0.9, (0, 10, 11): 0.85, (1, 10, 10): 0.7, (2, 20, 30): -0.4, (0, 5, 30): -0.6}
    found = finder(values)(np.zeros((320, 640, 3), np.uint8), False)
    assert found.level.tolist() == [0, 1, 2]
    assert found.score == pytest.approx([0.9, 0.7, -0.4])
    assert 10.4 < (found.x[0] + 32) / 16 - 0.5 < 10.6  # the canvas begins 8 px before the image, at a quarter
    assert (found.y[0] + 32) / 16 - 0.5 == pytest.approx(10)


def test_of_very_many_proposals_the_best_are_kept_and_the_others_counted():
    values = {(0, y, x): (y + x) / 100 for y in range(3, 23, 2) for x in range(3, 43, 2)}
    values |= {(1, *place[1:]): score - 0.01 for place, score in values.items()}
    found = finder(values)(np.zeros((320, 640, 3), np.uint8), False)
    assert len(found) == 200
    assert found.left_out > 0
    assert found.score.min() > 0.25


def test_a_file_that_is_missing_or_of_another_kind_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match='detect_exhaustive:=true'):
        weights.load(tmp_path / 'absent.safetensors')
    foreign = tmp_path / 'foreign.safetensors'
    foreign.write_bytes(b'nothing of the kind')
    with pytest.raises(ConfigError, match='holds no proposal network'):
        weights.load(foreign)


def test_the_shipped_file_is_refused_when_its_checksum_is_another(tmp_path, monkeypatch):
    damaged = tmp_path / 'face_proposals.safetensors'
    damaged.write_bytes(weights.SHIPPED.read_bytes()[:-1] + b'\0')
    monkeypatch.setattr(weights, 'SHIPPED', damaged)
    with pytest.raises(ConfigError, match='its checksum is not'):
        weights.load()


def test_the_shipped_network_is_small_and_proposes_the_face_of_the_astronaut():
    assert sum(p.numel() for p in weights.load().parameters()) <= 150_000
    find = ProposalFinder()
    astronaut = pytest.importorskip('skimage.data').astronaut()
    found = find(astronaut, False)
    assert (found.x[0], found.y[0]) == pytest.approx((215, 117), abs=40)
