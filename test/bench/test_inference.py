"""`affect-perception bench inference`: equal outputs of all modes; table, plot and JSON of one run."""

import json

import numpy as np
import pytest
import torch

from affect_perception.bench import inference as bench
from affect_perception.inference.backends.backend import NAMES, is_available
from affect_perception.models import MODELS
from affect_perception.models.smile_va import SmileVa
from affect_perception.models.witzig2019 import Witzig2019


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Small networks with random weights instead of the real ones."""

    class Small(SmileVa):
        def __init__(self, channels=(4, 6, 8, 10), blocks=(1, 1, 1, 1), hidden=8, dropout=0.0):
            super().__init__(channels, blocks, hidden, dropout)

    class Tiny(Witzig2019):
        def __init__(self, width=1 / 32, hidden=8):
            super().__init__(width, hidden)

    monkeypatch.setitem(MODELS, 'smile_va', Small)
    monkeypatch.setitem(MODELS, 'witzig2019', Tiny)
    monkeypatch.setattr(bench.checkpoint, 'WEIGHTS', tmp_path)


def test_command_prints_and_draws_a_row_for_each_combination_and_ends_with_json(tmp_path, capsys):
    figure = tmp_path / 'fig6.svg'
    flags = [
        '--faces',
        '1',
        '8',
        '--backends',
        'torch',
        '--threads',
        '1',
        '--seconds',
        '0.01',
        '--device',
        'cpu',
        '--plot',
    ]
    assert bench.main([*flags, str(figure)]) == 0
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(lines[-1])
    assert len(result['results']) == len(lines) - 2 == 2 * 3 * 2
    assert result['results'][0].keys() == {'model', 'faces', 'mode', 'backend', 'ms', 'steps_per_s'}
    assert result['streaming_over_batched_8'] > 1
    assert '<svg' in figure.read_text()


def test_all_modes_give_the_same_output():
    torch.manual_seed(0)
    model = MODELS['witzig2019']().fold()
    crops = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, bench.WINDOW, 96, 96, 3), np.uint8))
    with torch.inference_mode():
        embeddings = model.features(model.preprocess(crops.flatten(0, 1))).reshape(2, bench.WINDOW, -1)
        state = model.initial_state(2)
        for t in range(bench.WINDOW):
            streamed, state = model.advance(embeddings[:, t], torch.ones(2), state)
        assert torch.allclose(streamed.levels, model.last_of(embeddings).levels, atol=1e-5)


def test_the_ratio_is_of_the_best_backends_with_eight_faces():
    rows = [
        {'model': 'a', 'faces': 8, 'mode': 'batched', 'steps_per_s': 0.5},
        {'model': 'a', 'faces': 8, 'mode': 'streaming', 'steps_per_s': 5.0},
        {'model': 'a', 'faces': 8, 'mode': 'streaming', 'steps_per_s': 9.0},
        {'model': 'a', 'faces': 1, 'mode': 'streaming', 'steps_per_s': 99.0},
    ]
    assert bench.ratio(rows, 'a') == 18.0
    assert bench.ratio(rows[:1], 'a') is None


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [
        (['--models', 'vgg'], "no temporal network 'vgg'; choose one of smile_va, witzig2019"),
        (['--faces', '0'], 'must be positive'),
        (['--device', 'tpu'], "no device 'tpu'"),
        (['--backends', 'abacus'], "no backend 'abacus'"),
    ],
)
def test_bad_arguments_are_one_line_and_status_two(arguments, says, capsys):
    assert bench.main(['--faces', '1', '--threads', '1', *arguments]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert says in error[0]


@pytest.mark.slow
def test_streaming_on_every_installed_backend_is_measured(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    flags = [
        '--models',
        'smile_va',
        '--faces',
        '2',
        '--modes',
        'streaming',
        '--threads',
        '1',
        '--seconds',
        '0',
        '--device',
        'cpu',
    ]
    assert bench.main(flags) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])['results']
    assert [row['backend'] for row in rows] == [name for name in NAMES if is_available(name)]


@pytest.mark.slow
def test_memory_is_measured_while_people_come_and_go(capsys, monkeypatch, tmp_path):
    file = tmp_path / 'some.safetensors'
    bench.checkpoint.save(file, MODELS['smile_va'](), 'smile_va', crop_size=96, crop_margin=0.15)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert bench.main(['--soak', '200', '--models', str(file), '--threads', '1']) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result['frames'] == 200
    assert result['people'] == 500
    assert abs(result['grown_mb']) < 200
