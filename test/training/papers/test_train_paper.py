"""Training of the papers' networks on drawn clips: every paper, resumed runs, micro batches, several processes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from builders.papers import needs_torchvision
from builders.prepared import NETWORKS, write_config, write_prepared
from conftest import ROOT

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')

from affect_perception.cli import main
from affect_perception.models import checkpoint
from affect_perception.training.papers import scores
from affect_perception.training.papers.settings import PaperSettings
from affect_perception.training.papers.train_paper import train

EACH_PAPER = pytest.mark.parametrize('name', [pytest.param(name, marks=needs_torchvision(name)) for name in NETWORKS])
ENVIRONMENT = os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp('prepared') / 'drawn')


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(scores, 'REPEATS', 20)


def settings_of(path) -> PaperSettings:
    return PaperSettings.read(yaml.safe_load(path.read_text()), path)


def tensors_of(model) -> dict:
    return model.state_dict()


def same(left: dict, right: dict) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@EACH_PAPER
def test_a_training_file_becomes_a_scored_checkpoint_with_a_card(name, data, tmp_path, capsys):
    assert main(['train', str(write_config(tmp_path, name, data)), '--out', str(tmp_path / 'run')]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    loaded = checkpoint.load(last['checkpoint'])
    assert loaded.model.settings == loaded.header['model_settings']
    assert loaded.crop_margin == 0.2
    hears = loaded.model.inputs.audio
    assert len(loaded.header.get('audio', {}).get('mean', ())) == hears
    assert len(loaded.header.get('audio', {}).get('names', ())) == hears
    table = last['scores']['table']
    assert all({'network', 'chance', 'constant', 'mean crop'} <= rows.keys() for rows in table.values())
    assert all(len(row['interval']) == 2 for rows in table.values() for row in rows.values())
    card = (tmp_path / 'run' / 'tiny.md').read_text()
    assert 'Scores on the test split' in card
    assert '`drawn`' in card


@EACH_PAPER
def test_a_stopped_run_that_is_resumed_ends_with_the_same_weights(name, data, tmp_path):
    settings = settings_of(write_config(tmp_path, name, data))
    whole = train(settings, tmp_path / 'whole')
    train(settings, tmp_path / 'part', stop_after=3)
    torch.manual_seed(99)  # chance in the new process is elsewhere
    again = train(settings, tmp_path / 'part', resume=True)
    assert same(tensors_of(whole.model), tensors_of(again.model))
    assert [stage['history'] for stage in whole.stages] == [stage['history'] for stage in again.stages]


def test_a_killed_process_that_is_resumed_ends_with_the_same_file(data, tmp_path):
    config = write_config(tmp_path, 'witzig2019', data, epochs=4)
    command = [sys.executable, '-m', 'affect_perception.cli', 'train', str(config), '--out']
    part, file = tmp_path / 'part', tmp_path / 'part' / 'state-0-all.safetensors'
    process = subprocess.Popen(
        [*command, str(part)], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 120
        while not file.is_file() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert file.is_file(), process.stderr.read().decode()
    train(settings_of(config), tmp_path / 'whole')
    train(settings_of(config), part, resume=True)
    name = 'state-0-all.safetensors'
    whole, _ = checkpoint.read_safetensors(tmp_path / 'whole' / name)
    again, header = checkpoint.read_safetensors(part / name)
    assert same(whole, again)
    assert header['step'] == 8


def test_micro_batches_give_the_gradients_of_the_whole_batch(data, tmp_path):
    weights = []
    for micro in (0, 3):
        settings = settings_of(write_config(tmp_path, 'witzig2019', data, micro_batch=micro, batch=8, epochs=1))
        weights.append(tensors_of(train(settings, tmp_path / str(micro)).model))
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-6) for name in weights[0])


@pytest.mark.slow  # three processes that import everything
def test_two_processes_end_with_the_weights_of_one(data, tmp_path):
    config = write_config(tmp_path, 'witzig2019', data, batch=8, epochs=1)
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', '-m']
    command += ['affect_perception.cli', 'train', str(config), '--out', str(tmp_path / 'two')]
    subprocess.run(command, check=True, timeout=240, env=ENVIRONMENT, capture_output=True)
    two, _ = checkpoint.read_safetensors(tmp_path / 'two' / 'tiny.safetensors')
    one = tensors_of(train(settings_of(config), tmp_path / 'one').model)
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)


def test_the_learning_rate_falls_by_its_factor_per_epoch_and_training_stops_early(data, tmp_path):
    settings = settings_of(
        write_config(tmp_path, 'witzig2019', data, epochs=30, patience=2, learning_rate=1e-9, rate_factor=0.5)
    )
    assert len(train(settings, tmp_path / 'run').stages[0]['history']) == 3


def test_a_frozen_backbone_stays_and_its_embeddings_are_those_of_single_batches(data, tmp_path):
    weights, losses = [], []
    for cache in (0.0, 2000.0):
        config = write_config(tmp_path, 'parthasarathy2020', data, freeze=True, cache_mb=cache, epochs=1)
        trained = train(settings_of(config), tmp_path / str(cache))
        weights.append(tensors_of(trained.model))
        losses.append(trained.stages[0]['history'][-1]['val_loss'])
    fresh = settings_of(config)
    from affect_perception.training.papers.stages import built

    assert torch.equal(built(fresh).fc6.weight, weights[0]['fc6.weight'])
    # Adam makes steps of rounding errors where a gradient is 0 (biases of keys), so losses are compared, not weights.
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)
