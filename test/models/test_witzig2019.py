"""Network of Witzig et al. 2019: shapes, window of 20 frames, training outputs."""

import numpy as np
import pytest
import torch

from affect_perception.models.backbones.vgg_face import SIDE
from affect_perception.models.witzig2019 import WINDOW, Witzig2019


@pytest.fixture(scope='module')
def model() -> Witzig2019:
    torch.manual_seed(2)
    return Witzig2019(width=1 / 32, hidden=12).eval()


def test_it_has_the_layers_of_the_paper():
    with torch.device('meta'):
        paper = Witzig2019()
    convolutions = [m for m in paper.cnn if isinstance(m, torch.nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64, 64, 128, 128, *[256] * 3, *[512] * 6]
    assert (paper.fc6.in_features, paper.fc6.out_features) == (3 * 3 * 512, 4096)
    assert (paper.recurrent.hidden_size, paper.recurrent.num_layers, paper.head.out_features) == (128, 2, 4)


def test_crops_of_any_side_become_96_pixels_from_minus_one_to_one():
    crops = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), np.uint8))
    x = Witzig2019.preprocess(crops)
    assert x.shape == (2, 3, SIDE, SIDE)
    assert x.abs().max() <= 1
    assert Witzig2019.preprocess(torch.full((1, 96, 96, 3), 255, dtype=torch.uint8)).eq(1).all()


def test_frame_by_frame_equals_the_window_of_twenty_recomputed(model):
    embeddings = torch.rand(3, 2 * WINDOW + 5, model.embedding_size)
    state, live = model.initial_state(3), []
    with torch.inference_mode():
        whole, _ = model.over_time(embeddings)
        for t in range(embeddings.shape[1]):
            output, state = model.advance(embeddings[:, t], torch.ones(3), state)
            live.append(output.levels)
    assert torch.allclose(torch.stack(live, 1), whole.levels, atol=1e-5)


def test_what_is_older_than_twenty_frames_is_forgotten(model):
    old, new = torch.rand(1, 7, model.embedding_size), torch.rand(1, WINDOW, model.embedding_size)
    with torch.inference_mode():
        after, _ = model.over_time(torch.cat([old, new], 1))
        alone, _ = model.over_time(new)
    assert torch.allclose(after.levels[:, -1], alone.levels[:, -1], atol=1e-6)


def test_intensity_is_the_mean_level(model):
    output, _ = model.over_time(torch.rand(4, 1, model.embedding_size))
    assert torch.allclose(output.levels.sum(-1), torch.ones(4, 1))
    assert torch.allclose(output.intensity, (output.levels * torch.arange(4.0)).sum(-1) / 3)
    levels = model.levels_of(torch.tensor([0.0, 0.5, 1.0]))
    assert levels.tolist() == [[1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1]]


def test_subtle_smiles_are_a_fifth_class_in_training_and_low_ones_live():
    torch.manual_seed(2)
    subtle = Witzig2019(width=1 / 32, hidden=12, subtle=True).eval()
    embeddings = torch.rand(2, 3, subtle.embedding_size)
    logits = subtle({'embeddings': embeddings})['levels']
    assert subtle.level_names == ('neutral', 'subtle', 'low', 'medium', 'high')
    assert logits.shape == (2, 3, 5)
    levels = subtle.over_time(embeddings)[0].levels
    share = logits.softmax(-1)
    assert torch.allclose(levels[..., 1], share[..., 1] + share[..., 2], atol=1e-5)
    assert torch.allclose(levels.sum(-1), torch.ones(2, 3))


def test_weights_start_glorot_uniform():
    torch.manual_seed(0)
    fresh = Witzig2019(width=1 / 16, hidden=16)
    weight = fresh.fc6.weight.detach()
    bound = (6 / sum(weight.shape)) ** 0.5
    assert weight.abs().max() <= bound
    assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert not fresh.fc6.bias.any()
    assert not fresh.recurrent.get_parameter('bias_ih_l1').any()


def test_training_output_of_a_sequence_is_the_live_output_of_its_frames(model):
    embeddings = torch.rand(2, WINDOW, model.embedding_size)
    with torch.inference_mode():
        logits = model({'embeddings': embeddings})['levels']
        live, _ = model.over_time(embeddings)
    assert torch.allclose(logits.softmax(-1), live.levels, atol=1e-5)


def test_loss_skips_unlabelled_frames_and_frames_outside_the_mask(model):
    embeddings = torch.rand(1, 4, model.embedding_size)
    mask = torch.tensor([[True, True, True, False]])
    outputs = model({'embeddings': embeddings, 'mask': mask})
    loss, _ = model.loss(outputs, {'levels': torch.tensor([[0, -1, 2, 3]])})
    logits = outputs['levels'][0]
    wanted = torch.nn.functional.cross_entropy(logits[[0, 2]], torch.tensor([0, 2]))
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
