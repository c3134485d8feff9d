"""Networks of Parthasarathy & Sundaram 2020: kinds of Table 1, stacked audio, loss, missing modalities."""

import pytest
import torch
from builders.papers import SMALL, overfit

from affect_perception.errors import ConfigError
from affect_perception.models.blocks.objectives import ccc
from affect_perception.models.parthasarathy2020 import KINDS, Parthasarathy2020, remove, stack_audio, stack_size


def build(**settings) -> Parthasarathy2020:
    torch.manual_seed(8)
    return Parthasarathy2020(**SMALL['parthasarathy2020'] | settings).eval()


def batch_of(model: Parthasarathy2020, count: int = 2, frames: int = 8) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        'embeddings': torch.randn(count, frames, model.embedding_size, generator=generator),
        'audio': torch.randn(count, frames, 5, generator=generator),
    }


def test_the_transformer_has_the_sizes_of_the_paper():
    with torch.device('meta'):
        model = Parthasarathy2020()
    layer = model.encoder['video'][0]
    assert (model.inputs.side, model.inputs.frames, model.inputs.audio) == (96, 100, 65)
    assert (layer.heads, layer.qkv.in_features, layer.wide.out_features) == (4, 512, 512)
    assert model.project['video'].in_features == model.project['audio'].in_features == stack_size(65, 63) == 4096
    assert model.cross['audio'].query.out_features == 512


def test_baselines_have_the_layers_of_the_paper():
    with torch.device('meta'):
        grus = {kind: Parthasarathy2020(kind).recurrent for kind in ('gru_a', 'gru_v', 'gru_av')}
    shape = {
        kind: {n: (g.input_size, g.hidden_size, g.num_layers) for n, g in gru.items()} for kind, gru in grus.items()
    }
    audio, video = {'audio': (65, 128, 2)}, {'video': (4096, 128, 2)}
    assert shape == {'gru_a': audio, 'gru_v': video, 'gru_av': audio | video | {'both': (256, 128, 2)}}


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_reads_its_own_modalities_alone(kind):
    model = build(kind=kind)
    batch = batch_of(model)
    with torch.no_grad():
        full = model(batch)['affect']
        other_sound = model(batch | {'audio': torch.randn(2, 8, 5)})['affect']
        other_sight = model(batch | {'embeddings': torch.randn(2, 8, model.embedding_size)})['affect']
    assert full.shape == (2, 8, 2)
    assert torch.equal(full, other_sound) != model.hears
    assert torch.equal(full, other_sight) != model.sees


def test_stacked_audio_holds_the_frames_up_to_each_step_oldest_first():
    audio = torch.arange(1.0, 6).reshape(1, 5, 1)
    assert stack_audio(audio, 5, 3)[0].tolist() == [
        [0, 0, 1, 0],
        [0, 1, 2, 0],
        [1, 2, 3, 0],
        [2, 3, 4, 0],
        [3, 4, 5, 0],
    ]
    assert stack_audio(audio, 2, 3)[0].tolist() == [[2, 3, 4, 0], [3, 4, 5, 0]]


def test_both_encoders_attend_to_the_whole_sequence():
    model = build()
    batch = batch_of(model)
    changed = {key: value.clone() for key, value in batch.items()}
    changed['embeddings'][:, -1] += 1
    with torch.no_grad():
        assert not torch.allclose(model(batch)['affect'][:, 0], model(changed)['affect'][:, 0])


def test_the_fusion_is_a_sum_with_two_trainable_scalars():
    model = build()
    batch = batch_of(model)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([0.0, 0.0]))
        assert torch.allclose(model(batch)['affect'], model.head.bias.expand(2, 8, 2))
    assert model.weight.requires_grad


def test_a_missing_modality_is_zeros_in_its_frames():
    model = build()
    batch = batch_of(model)
    there = remove((2, 8), 0.5, torch.Generator().manual_seed(0))
    zeroed = batch | {'embeddings': batch['embeddings'] * there[..., None]}
    with torch.no_grad():
        assert torch.equal(model(batch | {'image_there': there})['affect'], model(zeroed)['affect'])
        none = model(batch | {'audio_there': torch.zeros(2, 8)})['affect']
        assert torch.equal(none, model({'embeddings': batch['embeddings']})['affect'])
        blind = model({'audio': batch['audio']})['affect']
        assert torch.equal(blind, model(batch | {'image_there': torch.zeros(2, 8)})['affect'])
    assert torch.isfinite(blind).all()


@pytest.mark.parametrize(('present', 'frames'), [(0.0, 0), (0.25, 50), (1.0, 200)])
def test_removal_keeps_the_given_share_of_frames(present, frames):
    mask = remove((4, 50), present, torch.Generator().manual_seed(2))
    assert int(mask.sum()) == frames
    assert torch.equal(mask, remove((4, 50), present, torch.Generator().manual_seed(2)))
    if 0 < present < 1:
        assert not torch.equal(mask, remove((4, 50), present, torch.Generator().manual_seed(3)))


def test_the_loss_is_one_minus_ccc_of_each_sequence():
    model = build(kind='gru_v')
    said, wanted = torch.randn(3, 8, 2), torch.randn(3, 8, 2)
    mask = torch.ones(3, 8, dtype=torch.bool)
    mask[2, 5:] = False
    loss, parts = model.loss({'affect': said, 'mask': mask}, {'affect': wanted})
    each = [1 - ccc(said[i, : 5 if i == 2 else 8], wanted[i, : 5 if i == 2 else 8]) for i in range(3)]
    assert torch.allclose(torch.stack([parts['valence'], parts['arousal']]), torch.stack(each).mean(0), atol=1e-6)
    assert torch.allclose(loss, torch.stack(each).mean(), atol=1e-6)


def test_sequences_with_less_than_two_labels_do_not_count():
    model = build(kind='gru_v')
    said, wanted = torch.randn(2, 8, 2), torch.randn(2, 8, 2)
    wanted[1, 1:] = torch.nan
    mask = torch.ones(2, 8, dtype=torch.bool)
    loss, _ = model.loss({'affect': said, 'mask': mask}, {'affect': wanted})
    assert torch.allclose(loss, (1 - ccc(said[0], wanted[0])).mean(), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_learns_sequences_from_its_modalities(kind):
    model = build(kind=kind, width=1 / 64)
    if model.sees:
        model.freeze_cnn()
    time = torch.linspace(0, 3, 8)[None, :, None]
    phase = torch.rand(32, 1, 2, generator=torch.Generator().manual_seed(3)) * 6
    affect = torch.sin(time + phase) * 0.8
    batch = batch_of(model, 32)
    batch['embeddings'][..., :2] = affect if model.sees and kind != 'gru_av' else 0
    batch['audio'][..., :2] = affect
    assert overfit(model, batch, {'affect': affect}, 1e-2, 300) >= 0.95


def test_a_frozen_vgg_face_is_not_trained():
    model = build(kind='gru_v')
    model.freeze_cnn()
    trained = {name.split('.')[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {'recurrent', 'head'}
    assert len(model.parameters_of('all')) == len([p for p in model.parameters() if p.requires_grad])


def test_unknown_kinds_and_empty_batches_are_refused():
    with pytest.raises(ConfigError, match="no kind 'lstm'"):
        build(kind='lstm')
    with pytest.raises(ConfigError, match='needs images, embeddings, audio or a mask'):
        build()({})
