"""Network of Qian et al. 2023: variants of its tables, audio branch, standardisation, augmentation."""

import pytest
import torch
from builders.papers import SMALL, needs_torchvision, overfit

from affect_perception.errors import ConfigError
from affect_perception.models.qian2023 import REACTIONS, VARIANTS, Qian2023, brighten

pytestmark = needs_torchvision('qian2023')


def build(**settings) -> Qian2023:
    torch.manual_seed(6)
    return Qian2023(**SMALL['qian2023'] | settings).eval()


@pytest.mark.parametrize('variant', VARIANTS)
def test_every_row_of_the_tables_can_be_built(variant):
    row = VARIANTS[variant]
    with torch.device('meta'):
        model = Qian2023(row['backbone'], row['frames'], audio=88 if variant == 'av' else 0)
    assert model.inputs[:2] == (224, row['frames'])
    assert (model.recurrent.input_size, model.recurrent.hidden_size) == (model.embedding_size, 512)
    assert model.head.out_features == len(REACTIONS) == 7
    assert hasattr(model, 'audio_recurrent') == (variant == 'av')


def test_sigmoid_rates_reactions_independently_and_softmax_as_printed():
    embeddings = torch.randn(3, 4, 128)
    free, printed = build(backbone='resnet50', width=1 / 16), build(activation='softmax')
    assert free.embedding_size == 128
    assert not torch.allclose(free({'embeddings': embeddings})['reactions'].sum(1), torch.ones(3))
    assert torch.allclose(printed({'embeddings': embeddings})['reactions'].sum(1), torch.ones(3))
    with pytest.raises(ConfigError, match="no activation 'tanh'"):
        build(activation='tanh')


def test_absent_sound_equals_an_empty_sequence():
    model = build(audio=5)
    embeddings, audio = torch.randn(2, 4, model.embedding_size), torch.randn(2, 9, 5)
    without = model({'embeddings': embeddings})['reactions']
    empty = model({'embeddings': embeddings, 'audio': audio, 'audio_mask': torch.zeros(2, 9)})['reactions']
    heard = model({'embeddings': embeddings, 'audio': audio})['reactions']
    assert torch.equal(without, empty)
    assert not torch.allclose(without, heard)


def test_sound_of_any_length_is_read_up_to_its_mask():
    model = build(audio=5)
    embeddings, audio = torch.randn(2, 4, model.embedding_size), torch.randn(2, 9, 5)
    mask = torch.arange(9).expand(2, 9) < 6
    padded = model({'embeddings': embeddings, 'audio': audio, 'audio_mask': mask})['reactions']
    short = model({'embeddings': embeddings, 'audio': audio[:, :6]})['reactions']
    assert torch.allclose(padded, short, atol=1e-6)


def test_standardised_training_images_have_mean_zero_and_deviation_one():
    model = build()
    images = torch.rand(50, 3, 32, 32) * 0.3 + 0.4
    model.set_statistics(images.mean((0, 2, 3)), images.std((0, 2, 3)))
    seen = []
    model.backbone.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model.features(images)
    assert torch.allclose(seen[0].mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(seen[0].std((0, 2, 3)), torch.ones(3), atol=1e-3)
    assert {'pixel_mean', 'pixel_deviation'} < model.state_dict().keys()


def test_crops_of_any_side_become_network_input_from_zero_to_one():
    x = build().preprocess(torch.full((2, 70, 70, 3), 255, dtype=torch.uint8))
    assert x.shape == (2, 3, 32, 32)
    assert torch.allclose(x, torch.ones(()))


def test_brightness_rises_by_up_to_half_and_never_over_one():
    images = torch.rand(40, 2, 3, 4, 4)
    bright = brighten(images, torch.Generator().manual_seed(0))
    factor = (bright / images)[bright < 1]
    assert factor.min() >= 1 - 1e-5
    assert factor.max() <= 1.5 + 1e-5
    assert bright.max() <= 1
    assert torch.equal(bright, brighten(images, torch.Generator().manual_seed(0)))


def test_sound_alone_can_teach_the_audio_branch():
    model = build(audio=3)
    audio = torch.randn(16, 5, 3)
    wanted = torch.sigmoid(torch.cat([audio.mean(1), audio.mean(1)[:, [1, 2, 0]], audio.mean(1)[:, :1]], 1))
    batch = {'embeddings': torch.zeros(16, 2, model.embedding_size), 'audio': audio}
    assert overfit(model, batch, {'reactions': wanted}, 1e-2, 200) >= 0.95
