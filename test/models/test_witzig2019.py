"""Network of Witzig et al. 2019: shapes, window of 20 frames, and VGG-Face weights from a file."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from affect_perception.errors import ConfigError
from affect_perception.models.witzig2019 import SIDE, WINDOW, Witzig2019


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


def vgg_names() -> list[str]:
    return [f'conv{b}_{n}' for b, count in enumerate((2, 2, 3, 3, 3), 1) for n in range(1, count + 1)]


@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
def test_vgg_face_weights_are_taken_from_a_file(model, tmp_path, suffix):
    convolutions = [m for m in model.cnn if isinstance(m, torch.nn.Conv2d)]
    tensors = {}
    for name, module in zip(vgg_names(), convolutions, strict=True):
        tensors[f'{name}.weight'], tensors[f'{name}.bias'] = (
            torch.rand_like(module.weight),
            torch.rand_like(module.bias),
        )
    tensors['fc6.weight'], tensors['fc6.bias'] = torch.zeros(128, 25088), torch.zeros(128)  # made for 224×224
    file = tmp_path / f'vgg{suffix}'
    save_file(tensors, file) if suffix == '.safetensors' else torch.save(tensors, file)
    fresh = Witzig2019(**model.settings)
    assert fresh.load_vgg_face(file) == vgg_names()
    assert torch.equal(fresh.cnn[0].weight, tensors['conv1_1.weight'])


def test_files_that_are_no_vgg_face_are_refused(tmp_path):
    fresh = Witzig2019(width=1 / 32, hidden=4)
    with pytest.raises(ConfigError, match='no VGG-Face weights at'):
        fresh.load_vgg_face(tmp_path / 'absent.pth')
    (tmp_path / 'junk.pth').write_bytes(b'not tensors')
    with pytest.raises(ConfigError, match='no readable file of tensors'):
        fresh.load_vgg_face(tmp_path / 'junk.pth')
    save_file({'conv1_1.weight': torch.zeros(1)}, tmp_path / 'other.safetensors')
    with pytest.raises(ConfigError, match=r'conv1_1.weight is \(1,\); wanted'):
        fresh.load_vgg_face(tmp_path / 'other.safetensors')
