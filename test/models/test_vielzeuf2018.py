"""Network of Vielzeuf et al. 2018: image heads, temporal pooling, fine-tuning stages, audio, augmentation."""

import pytest
import torch
from builders.papers import SMALL, needs_torchvision

from affect_perception.errors import ConfigError
from affect_perception.models.vielzeuf2018 import AUDIO_FEATURES, POOLINGS, STAGES, Vielzeuf2018, augment

pytestmark = needs_torchvision('vielzeuf2018')


def build(**settings) -> Vielzeuf2018:
    torch.manual_seed(7)
    return Vielzeuf2018(**SMALL['vielzeuf2018'] | settings).eval()


def test_the_network_has_the_sizes_of_the_paper():
    with torch.device('meta'):
        model = Vielzeuf2018(pooling='lstm', audio=AUDIO_FEATURES)
    assert model.embedding_size == 512
    assert (model.inputs.side, model.inputs.frames) == (224, 16)
    assert (model.recurrent.input_size, model.recurrent.hidden_size) == (512, 128)
    assert (model.affect.out_features, model.expression.out_features, model.head.out_features) == (2, 7, 7)
    assert (model.audio_head[0].in_features, model.audio_head[0].out_features) == (1582, 64)


def test_single_images_give_affect_and_expression_and_both_losses():
    model = build()
    outputs = model({'images': torch.rand(5, 3, 32, 32)})
    assert outputs['affect'].shape == (5, 2)
    assert outputs['affect'].abs().max() <= 1
    targets = {'affect': torch.zeros(5, 2), 'expression': torch.tensor([0, 1, -1, 6, 2])}
    loss, parts = model.loss(outputs, targets)
    assert parts.keys() == {'affect', 'expression'}
    assert torch.allclose(loss, parts['affect'] + parts['expression'])


@pytest.mark.parametrize('pooling', POOLINGS)
def test_a_clip_of_equal_frames_gives_the_scores_of_one(pooling):
    model = build(pooling=pooling)
    frame = torch.randn(2, 1, model.embedding_size)
    logits = model({'embeddings': frame.expand(-1, 8, -1)})['expression']
    assert logits.shape == (2, 7)
    if pooling == 'none':
        assert torch.allclose(logits.softmax(1), model.expression(frame[:, 0]).softmax(1), atol=1e-5)
    elif pooling != 'lstm':
        assert torch.allclose(logits, model.head(frame[:, 0]), atol=1e-5)


def test_the_weighted_mean_follows_valence_and_arousal():
    model = build(pooling='weighted')
    embeddings = torch.randn(1, 4, model.embedding_size)
    with torch.no_grad():
        model.frame_weight.weight.zero_()
    mean = build(pooling='mean')
    assert torch.allclose(
        model({'embeddings': embeddings})['expression'], mean({'embeddings': embeddings})['expression']
    )
    with torch.no_grad():
        model.frame_weight.weight.copy_(torch.tensor([[400.0, 0.0]]))
        model.frame_weight.bias.zero_()
    best = torch.tanh(model.affect(embeddings))[0, :, 0] > 0
    wanted = model.head(embeddings[:, best].mean(1))
    assert torch.allclose(model({'embeddings': embeddings})['expression'], wanted, atol=1e-3)


def test_stages_train_the_parts_that_the_paper_names():
    model = build(pooling='lstm', audio=4)
    trained = {}
    for stage in STAGES:
        (group,) = model.parameter_groups(stage, 1e-3)
        trained[stage] = {name.split('.')[0] for name, p in model.named_parameters() if p.requires_grad}
        assert group['lr'] == pytest.approx(1e-4 if stage == 'image_all' else 1e-3)
        assert len(group['params']) == len(model.parameters_of('all'))
    assert trained['image'] == trained['image_all'] == {'backbone', 'affect', 'expression'}
    assert trained['image_head'] == {'affect', 'expression'}
    assert trained['clip'] == {'frame_weight', 'recurrent', 'head', 'audio_head'}
    with pytest.raises(ConfigError, match="no stage 'video'"):
        model.parameter_groups('video', 1)


def test_other_expressions_keep_the_backbone_and_replace_the_classifiers():
    affectnet = build(classes=tuple('abcdefgh'), audio=4)
    afew = affectnet.replace_classes(tuple('1234567'))
    assert afew.expressions == tuple('1234567')
    assert torch.equal(afew.backbone.net.conv1.weight, affectnet.backbone.net.conv1.weight)
    assert torch.equal(afew.audio_head[0].weight, affectnet.audio_head[0].weight)
    assert afew.expression.out_features == afew.head.out_features == afew.audio_head[4].out_features == 7


def test_clips_without_sound_teach_the_audio_classifier_nothing():
    model = build(audio=4)
    audio = torch.randn(3, 4)
    audio[1] = torch.nan
    outputs = model({'embeddings': torch.randn(3, 4, model.embedding_size), 'audio': audio})
    classes = torch.tensor([0, 1, 2])
    _, parts = model.loss(outputs, {'expression': classes})
    wanted = torch.nn.functional.cross_entropy(outputs['audio'][[0, 2]], classes[[0, 2]])
    assert torch.allclose(parts['audio'], wanted)


def test_live_sound_joins_by_the_mean_of_scores_and_its_absence_changes_nothing():
    model = build(audio=4)
    embedding, sound = torch.randn(2, model.embedding_size), torch.randn(2, 4)
    sound[1] = torch.nan
    gap = torch.ones(2)
    silent, _ = model.advance(embedding, gap, model.initial_state(2))
    heard, _ = model.advance(embedding, gap, model.initial_state(2), sound)
    scores = model.audio_head(sound[:1]).softmax(1)
    assert torch.allclose(heard.expression[:1], (silent.expression[:1] + scores) / 2)
    assert torch.equal(heard.expression[1], silent.expression[1])


def test_augmented_images_are_moved_and_cut_and_repeat_with_their_seed():
    images = torch.rand(6, 3, 32, 32) * 0.5 + 0.5
    once, again = (augment(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(once, again)
    assert once.shape == images.shape
    hole = (once == 0).all(1).float().mean((1, 2))
    assert (hole > 0).all()
    assert hole.max() <= 0.25**2 * 1.3


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ConfigError, match="no pooling 'max'"):
        build(pooling='max')
