"""Selection of the backend: auto takes the fastest that agrees, fixed ignores the clock, names are refused clearly."""

import importlib.util
import logging

import pytest
import torch
from builders.inference import engine_of, noise_frame, small_smile_va

from affect_perception.errors import ConfigError
from affect_perception.inference.backends import selection
from affect_perception.inference.backends.backend import is_available
from affect_perception.inference.backends.pytorch import TorchBackend
from affect_perception.inference.engine import AffectEngine, reproducible_settings
from affect_perception.settings import AffectSettings


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Checkpoint of a small network; exports go to a cache folder of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield small_smile_va(tmp_path_factory.mktemp('weights'))


@pytest.fixture(autouse=True)
def no_earlier_choice(monkeypatch, tmp_path):
    """`auto` measures anew in every test."""
    monkeypatch.setattr(selection, 'auto_choices', {})
    monkeypatch.setattr(selection, '_choice_file', lambda trial: tmp_path / 'choice.txt')


def only_available(monkeypatch, *names: str) -> None:
    """Let the machine have no other backends than these."""
    monkeypatch.setattr(selection, 'unavailable_reason', lambda name, _: '' if name in names else 'it is not here')


def test_auto_takes_the_fastest_and_logs_all_times_and_why_others_were_skipped(weights, caplog, monkeypatch):
    only_available(monkeypatch, 'torch', 'torch_bf16')
    monkeypatch.setattr(selection, 'median_ms', lambda backend, x: {'torch': 5.0, 'torch_bf16': 2.0}[backend.name])
    with caplog.at_level(logging.INFO):
        assert engine_of(weights, 'auto').backend == 'torch_bf16'
    assert 'auto: torch_bf16, fastest for 4 faces on 1 threads: torch 5.0 ms, torch_bf16 2.0 ms' in caplog.text
    assert 'Skipping backend mnn: it is not here' in caplog.text


def forget(folder) -> None:
    selection.auto_choices.clear()
    (folder / 'choice.txt').unlink()


def test_auto_measures_openvino_only_where_mnn_cannot_be_used(weights, caplog, monkeypatch, tmp_path):
    for package in ('MNN', 'openvino', 'onnxscript'):
        pytest.importorskip(package, reason="needs the extra `fast` (pip install 'affect_perception[fast]')")
    monkeypatch.setattr(
        selection, 'median_ms', lambda backend, x: {'torch': 5.0, 'mnn': 3.0, 'openvino': 2.0}[backend.name]
    )
    only_available(monkeypatch, 'torch', 'mnn', 'openvino')
    with caplog.at_level(logging.INFO):
        assert engine_of(weights, 'auto').backend == 'mnn'
    assert 'Skipping backend openvino: measured to be slower than mnn' in caplog.text
    forget(tmp_path)
    only_available(monkeypatch, 'torch', 'openvino')
    assert engine_of(weights, 'auto').backend == 'openvino'


def test_a_choice_of_auto_is_kept_for_the_process_without_measuring_again(weights, monkeypatch):
    only_available(monkeypatch, 'torch')
    engine_of(weights, 'auto')
    monkeypatch.setattr(selection, 'median_ms', lambda backend, x: pytest.fail('measured again'))
    assert engine_of(weights, 'auto').backend == 'torch'


def test_the_next_start_takes_the_earlier_choice_after_a_check_and_without_measuring(weights, monkeypatch, caplog):
    only_available(monkeypatch, 'torch', 'torch_bf16')
    monkeypatch.setattr(selection, 'median_ms', lambda backend, x: {'torch': 5.0, 'torch_bf16': 2.0}[backend.name])
    engine_of(weights, 'auto')
    selection.auto_choices.clear()
    monkeypatch.setattr(selection, 'median_ms', lambda backend, x: pytest.fail('measured again'))
    with caplog.at_level(logging.INFO):
        assert engine_of(weights, 'auto').backend == 'torch_bf16'
    assert 'auto: torch_bf16, as chosen for 1 threads at an earlier start' in caplog.text


@pytest.mark.parametrize('damage', ['absent', 'changed'])
def test_an_earlier_choice_that_cannot_be_used_any_more_is_measured_anew(weights, monkeypatch, tmp_path, damage):
    only_available(monkeypatch, 'torch', 'torch_bf16')
    monkeypatch.setattr(selection, 'median_ms', lambda backend, x: {'torch': 5.0, 'torch_bf16': 2.0}[backend.name])
    engine_of(weights, 'auto')
    selection.auto_choices.clear()
    if damage == 'absent':
        only_available(monkeypatch, 'torch')
    else:
        (tmp_path / 'choice.txt').write_text('openvino')
    assert engine_of(weights, 'auto').backend == ('torch' if damage == 'absent' else 'torch_bf16')


class DeviatingBackend(TorchBackend):
    """Backend with wrong embeddings."""

    def __call__(self, x):
        return super().__call__(x) * 3 + 1


def test_a_backend_that_deviates_is_refused_by_name_and_skipped_by_auto(weights, monkeypatch, caplog):
    make = selection.make_backend
    monkeypatch.setattr(
        selection,
        'make_backend',
        lambda name, model, *rest: DeviatingBackend(model) if name == 'torch_bf16' else make(name, model, *rest),
    )
    only_available(monkeypatch, 'torch', 'torch_bf16')
    with pytest.raises(ConfigError, match=r"backend 'torch_bf16' deviates from PyTorch by up to"):
        engine_of(weights, 'torch_bf16')
    assert engine_of(weights, 'auto').backend == 'torch'
    assert "Skipping backend torch_bf16: backend 'torch_bf16' deviates" in caplog.text


def test_a_backend_that_is_unknown_or_absent_is_refused(weights, monkeypatch):
    with pytest.raises(ConfigError, match="no backend 'tensorrt'; choose auto, fixed or one of torch, "):
        engine_of(weights, 'tensorrt')
    only_available(monkeypatch, 'torch')
    with pytest.raises(ConfigError, match=r"backend 'openvino' cannot be used here: it is not here; or choose auto"):
        engine_of(weights, 'openvino')


def test_pytorch_keeps_to_one_thread_beside_another_backend(weights):
    before = torch.get_num_threads()
    try:
        engine_of(weights, 'mnn', threads=2)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_gpu_without_memory_for_the_network_is_refused_at_start(weights, monkeypatch):
    def out_of_memory(*_):
        raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate ...')

    monkeypatch.setattr(selection, 'select_backend', out_of_memory)
    with pytest.raises(ConfigError, match='cpu has no memory left for model small; close what else runs on it'):
        engine_of(weights, 'torch')


def test_half_precision_and_graphs_are_for_gpus(weights):
    for name in ('torch_fp16', 'torch_graph', 'torch_fp16_graph'):
        assert is_available(name, 'cuda')
        assert not is_available(name)
        with pytest.raises(ConfigError, match=f"backend '{name}' cannot be used here: it needs a GPU"):
            engine_of(weights, name)
    assert not is_available('mnn', 'cuda')


def test_fixed_takes_the_first_usable_without_measuring(weights, monkeypatch):
    assert reproducible_settings(AffectSettings(backend='openvino')).backend == 'openvino'
    settings = reproducible_settings(AffectSettings(model=weights, device='cpu', threads=1))
    monkeypatch.setattr(selection, 'median_ms', lambda backend, x: pytest.fail('measured'))
    for there in (('torch', 'openvino', 'mnn'), ('torch', 'openvino'), ('torch',)):
        only_available(monkeypatch, *there)
        if all(importlib.util.find_spec({'mnn': 'MNN'}.get(name, name)) for name in there):
            assert AffectEngine(settings).backend == there[-1]


def test_two_runs_with_reproducible_settings_give_the_same_bytes(weights):
    runs = []
    for _ in range(2):
        engine = AffectEngine(reproducible_settings(AffectSettings(model=weights, device='cpu', threads=1)))
        runs.append([engine.step(noise_frame(faces, i)) for i, faces in enumerate((3, 1, 0, 8, 2, 70, 3))])
    assert repr(runs[0]) == repr(runs[1])


def test_fixed_skips_a_backend_that_cannot_run_the_network(weights, monkeypatch, caplog):
    only_available(monkeypatch, 'torch', 'mnn')

    def broken(path, threads):
        raise RuntimeError('no such layer')

    monkeypatch.setattr(selection, 'export_onnx', lambda *what: None)
    monkeypatch.setattr(selection, 'MnnBackend', broken)
    assert engine_of(weights, 'fixed').backend == 'torch'
    assert "Skipping backend mnn: backend 'mnn' cannot run this network: no such layer" in caplog.text
    with pytest.raises(ConfigError, match="backend 'mnn' cannot run this network: no such layer; choose another"):
        engine_of(weights, 'mnn')
