"""Properties of all networks of papers: parameter counts, checkpoints, masks, streaming, learning."""

import sys

import pytest
import torch
from builders.papers import SMALL, clips, needs_torchvision, overfit

from affect_perception.errors import ConfigError
from affect_perception.models import MODELS, checkpoint
from affect_perception.models.blocks.objectives import METRICS
from affect_perception.models.sequence_model import SequenceModel

PAPERS = [name for name, kind in MODELS.items() if issubclass(kind, SequenceModel)]
EACH_PAPER = pytest.mark.parametrize('name', [pytest.param(name, marks=needs_torchvision(name)) for name in PAPERS])
TEMPORAL = [name for name in PAPERS if name != 'aspandi2020']
EACH_TEMPORAL = pytest.mark.parametrize(
    'name', [pytest.param(name, marks=needs_torchvision(name)) for name in TEMPORAL]
)


def build(name: str, **settings) -> SequenceModel:
    torch.manual_seed(3)
    return MODELS[name](**SMALL[name] | settings).eval()


@pytest.mark.parametrize(
    ('name', 'settings', 'millions'),
    [
        # VGG-16's convolutions 14.71, fc6 from 3×3×512 18.88, GRUs 1.72
        pytest.param('witzig2019', {}, 35.32, id='witzig2019'),
        pytest.param('parthasarathy2020', {'kind': 'gru_v'}, 35.32, id='VGGFace-RNN (V): witzig2019 but for the head'),
        pytest.param('parthasarathy2020', {'kind': 'gru_av'}, 35.74, id='VGGFace-RNN (A+V)'),
        pytest.param('parthasarathy2020', {'kind': 'transformer_av'}, 46.20, id='transformer (A+V)'),
        # ResNet-50 23.51 + LSTM 5.25 + dense; VGG-16 without its last layer 134.26 + LSTM 9.44
        pytest.param('qian2023', {}, 28.82, id='YAP-CSM v3, v4', marks=needs_torchvision('qian2023')),
        pytest.param(
            'qian2023', {'backbone': 'vgg16'}, 143.77, id='YAP-CSM v1, v2', marks=needs_torchvision('qian2023')
        ),
        # ResNet-18 without its classifier 11.18; the paper's Table 2 says 2
        pytest.param('vielzeuf2018', {}, 11.18, id='ResNet-18', marks=needs_torchvision('vielzeuf2018')),
        pytest.param('vielzeuf2018', {'width': 0.42}, 2.0, id='Table 2', marks=needs_torchvision('vielzeuf2018')),
        pytest.param('aspandi2020', {}, 11.49, id='aspandi2020'),
    ],
)
def test_full_size_networks_have_the_parameters_that_the_papers_imply(name, settings, millions):
    with torch.device('meta'):
        model = MODELS[name](**settings)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_transformer_and_recurrent_baseline_differ_by_less_than_ten_percent_with_the_whole_vgg_face():
    with torch.device('meta'):
        sizes = {
            kind: sum(p.numel() for p in MODELS['parthasarathy2020'](kind).parameters()) + 4096 * 512 * (49 - 9)
            for kind in ('transformer_av', 'gru_av', 'transformer_v', 'gru_v')
        }  # fc6 reads 7×7 maps of 224×224 images
    assert sizes['transformer_av'] / sizes['gru_av'] < 1.10
    assert sizes['transformer_v'] / sizes['gru_v'] < 1.10


@EACH_PAPER
def test_a_checkpoint_gives_back_the_same_network_exactly(name, tmp_path):
    model = build(name)
    path = tmp_path / 'paper.safetensors'
    checkpoint.save(path, model, name, crop_size=96, crop_margin=0.25)
    loaded = checkpoint.load(str(path)).model
    assert loaded.settings == model.settings
    images, _ = clips(2, 5, model.inputs.side)
    with torch.inference_mode():
        before, after = model({'images': images}), loaded({'images': images})
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


@EACH_PAPER
def test_metrics_name_outputs_and_known_functions(name):
    model = build(name)
    images, _ = clips(2, 4, model.inputs.side)
    outputs = model({'images': images})
    assert model.metrics
    assert all(metric in METRICS and output in outputs for metric, output in model.metrics.items())
    assert model.recipe['optimizer'] == 'adam'


@EACH_TEMPORAL
def test_frames_outside_the_mask_change_nothing(name):
    model = build(name)
    embeddings = torch.randn(2, 8, model.embedding_size)
    junk = torch.cat([embeddings, torch.full((2, 3, model.embedding_size), 1e3)], 1)
    mask = torch.ones(2, 11, dtype=torch.bool)
    mask[:, 8:] = False
    with torch.inference_mode():
        alone, padded = model({'embeddings': embeddings}), model({'embeddings': junk, 'mask': mask})
    for key, value in alone.items():
        if value.is_floating_point():
            other = padded[key][:, :8] if value.dim() == 3 else padded[key]
            assert torch.allclose(value, other, atol=1e-5)


@EACH_TEMPORAL
def test_a_clip_without_any_frame_gives_finite_outputs(name):
    model = build(name)
    batch = {'embeddings': torch.randn(2, 4, model.embedding_size), 'mask': torch.zeros(2, 4, dtype=torch.bool)}
    outputs = model(batch)
    assert all(torch.isfinite(value).all() for value in outputs.values() if value.is_floating_point())


@EACH_PAPER
def test_unlabelled_targets_give_a_loss_of_zero_with_finite_gradients(name):
    model = build(name).train()
    images, affect = clips(2, 4, model.inputs.side)
    nothing = {
        'levels': torch.full((2, 4), -1),
        'expression': torch.full((2,), -1),
        'reactions': torch.full((2, 7), torch.nan),
        'affect': torch.full_like(affect, torch.nan),
    }
    player = model.players[0]
    outputs = model({'images': images}, None if player == 'all' else player)
    loss, parts = model.loss(outputs, nothing, player)
    loss.backward()
    judged = float(parts['adversarial'].detach()) if 'adversarial' in parts else 0
    assert float(loss.detach()) == pytest.approx(judged, abs=1e-3)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@EACH_PAPER
def test_an_unknown_player_is_refused(name):
    with pytest.raises(ConfigError, match="no player 'referee'"):
        build(name).parameters_of('referee')


@pytest.mark.parametrize('name', ['qian2023', 'vielzeuf2018'])
def test_a_missing_torchvision_is_said_with_the_command_that_installs_it(name, monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    with pytest.raises(ConfigError, match=r'need torchvision; pip install "affect-perception\[papers\]"'):
        build(name)


def chunk_targets(name: str, affect: torch.Tensor) -> dict[str, torch.Tensor]:
    """Targets of each paper's kind that follow from the affect (N, T, 2) of generated clips."""
    mean = affect.mean(1)
    both = torch.cat([mean, -mean, mean.abs(), mean[:, :1] * 0.5], 1)
    return {
        'levels': ((affect[..., 0] + 1) * 2).long().clamp(0, 3),
        'reactions': (both + 1) / 2,
        'expression': (mean[:, 0] > 0).long() * 2 + (mean[:, 1] > 0).long(),
        'affect': affect,
    }


def embeddings_of(model: SequenceModel, affect: torch.Tensor) -> torch.Tensor:
    """Embeddings (N, T, E) as a frozen CNN might give them: rectified, noisy projections of the affect (N, T, 2)."""
    generator = torch.Generator().manual_seed(3)
    project = torch.randn(2, model.embedding_size, generator=generator)
    return (affect @ project + 0.1 * torch.randn(*affect.shape[:2], len(project[0]), generator=generator)).relu()


OVERFIT = {  # learning rate, frames; those marked slow take up to 40 s of one core
    'witzig2019': (1e-3, 2),
    'qian2023': (5e-3, 4),
    'vielzeuf2018': (3e-3, 4),
    'parthasarathy2020': (3e-3, 3),
    'aspandi2020': (1e-3, 1),
}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    'name',
    [
        pytest.param(
            name, marks=[needs_torchvision(name), *([] if name == 'parthasarathy2020' else [pytest.mark.slow])]
        )
        for name in OVERFIT
    ],
)
def test_each_network_overfits_32_clips(name):
    torch.manual_seed(0)
    rate, frames = OVERFIT[name]
    settings = {'stage': 'aeg_cd'} if name == 'aspandi2020' else {}
    model = MODELS[name](**SMALL[name] | settings)
    images, affect = clips(32, frames, model.inputs.side)
    batch = {'images': images}
    if name == 'parthasarathy2020':  # the paper's VGG-Face is frozen: its transformers learn from embeddings
        batch = {'embeddings': embeddings_of(model, affect)}
    assert overfit(model, batch, chunk_targets(name, affect), rate, 250) >= 0.95
