"""What runs the CNN: every backend answers as PyTorch does, the fastest is taken, others are refused by name."""

import importlib.util
import logging
import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import numpy as np
import pytest
import torch

from affect_perception.errors import BadInputError, ConfigError
from affect_perception.inference.backends import selection
from affect_perception.inference.backends.mnn import Mnn, converted, without_greetings
from affect_perception.inference.backends.onnx_export import cache_folder, exported
from affect_perception.inference.backends.pytorch import Frugal, Graphs, Torch
from affect_perception.inference.engine import AffectEngine, reproducible
from affect_perception.models import checkpoint
from affect_perception.models.smile_va import SmileVa
from affect_perception.settings import AffectSettings
from affect_perception.types import Box, SmileLevel, Track, TrackedFrame

OTHERS = [name for name in selection.ON_CPU if name != 'torch']


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    """Exports go to a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(scope='module')
def weights(tmp_path_factory, cache) -> str:
    torch.manual_seed(4)
    model = SmileVa(channels=(8, 12, 16, 20), blocks=(1, 1, 1, 1), hidden=16)
    torch.nn.init.normal_(model.temporal_head.linear.weight, std=3.0)
    path = tmp_path_factory.mktemp('weights') / 'small.safetensors'
    checkpoint.save(path, model, 'smile_va', crop_size=96, crop_margin=0.15)
    return str(path)


@pytest.fixture(autouse=True)
def nothing_taken(monkeypatch):
    monkeypatch.setattr(selection, '_taken', {})


def engine_of(weights: str, backend: str, threads: int = 1) -> AffectEngine:
    return AffectEngine(AffectSettings(model=weights, device='cpu', threads=threads, backend=backend))


def frame(faces: int, stamp_ns: int = 0) -> TrackedFrame:
    rng = np.random.default_rng(stamp_ns)
    crops = [rng.integers(0, 255, (96, 96, 3), np.uint8) for _ in range(faces)]
    return TrackedFrame(stamp_ns, '', 640, 480, tuple(Track(i, Box(0, 0, 9, 9), 1, 0, c) for i, c in enumerate(crops)))


@pytest.mark.parametrize('name', OTHERS)
def test_every_backend_answers_as_pytorch_for_any_number_of_faces(name, weights):
    if not selection.installed(name):
        pytest.skip(f'{name} is not installed here, or the CPU does not multiply in bfloat16')
    engine, reference = engine_of(weights, name), engine_of(weights, 'torch')
    assert engine.backend == name
    for step, faces in enumerate((1, 3, 8, 70, 0, 2)):
        ours, wanted = (e.step(frame(faces, step + 1)) for e in (engine, reference))
        assert [f.smile_intensity for f in ours.faces] == pytest.approx(
            [f.smile_intensity for f in wanted.faces], abs=selection.TOLERANCE
        )


@pytest.mark.parametrize('name', selection.ON_CPU)
def test_pixels_that_are_no_numbers_make_their_own_face_unknown_and_no_other(name, weights, monkeypatch):
    if not selection.installed(name):
        pytest.skip(f'{name} is not installed here, or the CPU does not multiply in bfloat16')
    engine, untouched = engine_of(weights, name), engine_of(weights, name)
    preprocess, spoilt = engine._model.preprocess, [True]

    def broken(crops):
        x = preprocess(crops)
        if spoilt[0]:
            x[1, 0, 30:40, 20] = torch.tensor(float('nan'))
            x[2, 0, 5, 5] = torch.tensor(float('inf'))
        return x

    monkeypatch.setattr(engine._model, 'preprocess', broken)
    (first, *lost, last), wanted = engine.step(frame(4, 1)).faces, untouched.step(frame(4, 1)).faces
    assert [face.smile_level for face in lost] == [SmileLevel.UNKNOWN] * 2
    assert all(math.isnan(face.valence) and math.isnan(face.smile_intensity) for face in lost)
    for face, alone in ((first, wanted[0]), (last, wanted[3])):
        assert face.smile_intensity == pytest.approx(alone.smile_intensity, abs=1e-5)
    spoilt[0] = False
    assert all(face.smile_level != SmileLevel.UNKNOWN for face in engine.step(frame(4, 2)).faces)  # nothing remains


def test_auto_takes_the_fastest_and_says_which_and_why(weights, caplog, monkeypatch):
    monkeypatch.setattr(selection, 'installed', lambda name, device='cpu': name in ('torch', 'torch_bf16'))
    monkeypatch.setattr(selection, 'milliseconds', lambda backend, x: {'torch': 5.0, 'torch_bf16': 2.0}[backend.name])
    with caplog.at_level(logging.INFO):
        assert engine_of(weights, 'auto').backend == 'torch_bf16'
    assert 'backend torch_bf16, the fastest of torch 5.0, torch_bf16 2.0 (ms for 4 faces)' in caplog.text


def test_what_auto_took_once_is_taken_again_without_measuring(weights, monkeypatch):
    monkeypatch.setattr(selection, 'installed', lambda name, device='cpu': name == 'torch')
    engine_of(weights, 'auto')
    monkeypatch.setattr(selection, 'milliseconds', lambda backend, x: pytest.fail('measured again'))
    assert engine_of(weights, 'auto').backend == 'torch'


class Wrong(selection.Torch):
    """A backend with a fault."""

    def __call__(self, x):
        return super().__call__(x) * 3 + 1


def test_a_backend_whose_answers_disagree_is_refused_by_name_and_never_taken_by_itself(weights, monkeypatch, caplog):
    make = selection.make
    monkeypatch.setattr(
        selection, 'make', lambda name, model, *rest: Wrong(model) if name == 'torch_bf16' else make(name, model, *rest)
    )
    monkeypatch.setattr(selection, 'installed', lambda name, device='cpu': name in ('torch', 'torch_bf16'))
    with pytest.raises(ConfigError, match=r"backend 'torch_bf16' answers up to .* apart from PyTorch"):
        engine_of(weights, 'torch_bf16')
    assert engine_of(weights, 'auto').backend == 'torch'
    assert "left out: backend 'torch_bf16' answers up to" in caplog.text


def test_a_backend_that_is_unknown_or_absent_is_refused(weights, monkeypatch):
    with pytest.raises(ConfigError, match="no backend 'tensorrt'; choose auto, fixed or one of torch, "):
        engine_of(weights, 'tensorrt')
    monkeypatch.setattr(selection, 'installed', lambda name, device='cpu': name == 'torch')
    with pytest.raises(ConfigError, match=r"backend 'openvino' cannot be used here: .*\[fast\]"):
        engine_of(weights, 'openvino')


def test_an_export_is_made_once_and_anew_for_other_weights(weights, monkeypatch):
    pytest.importorskip('onnxscript', reason="needs the extra `fast` (pip install 'affect_perception[fast]')")
    model, x = checkpoint.load(weights).model.fold(), torch.zeros(4, 1, 64, 64)
    first = exported(model, x, 'a')
    written = first.stat().st_mtime_ns
    assert exported(model, x, 'a') == first and first.stat().st_mtime_ns == written
    assert exported(model, x, 'b') != first
    assert first.parent == cache_folder()


@pytest.fixture(scope='module')
def network(weights) -> Mnn:
    """The CNN of `weights` in MNN."""
    pytest.importorskip('MNN', reason="needs the extra `fast` (pip install 'affect_perception[fast]')")
    return Mnn(exported(checkpoint.load(weights).model.fold(), torch.zeros(4, 1, 64, 64), 'mnn'), threads=1)


def test_mnn_reads_any_number_of_faces_in_any_order_from_any_thread(network, weights):
    model = checkpoint.load(weights).model.fold()
    inputs = [torch.randn(faces, 1, 64, 64) for faces in (3, 1, 9, 64, 2, 9, 1)]
    with torch.inference_mode(), ThreadPoolExecutor(1) as elsewhere:
        for x in inputs:
            wanted = model.features(x)
            assert torch.allclose(network(x), wanted, atol=1e-4)
            assert torch.equal(elsewhere.submit(network, x).result(), network(x))


def test_networks_of_mnn_run_side_by_side(network, weights):
    path = exported(checkpoint.load(weights).model.fold(), torch.zeros(4, 1, 64, 64), 'mnn')
    networks = [Mnn(path, threads=threads) for threads in (1, 2, 1)]
    inputs = [torch.randn(faces, 1, 64, 64) for faces in (2, 5, 3)]
    alone = [net(x) for net, x in zip(networks, inputs, strict=True)]

    def again(place: int) -> bool:
        return all(torch.equal(networks[place](inputs[place]), alone[place]) for _ in range(20))

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(again, range(3)))


def test_threads_of_mnn_share_a_batch_and_answer_as_one_does(network, weights):
    path = exported(checkpoint.load(weights).model.fold(), torch.zeros(4, 1, 64, 64), 'mnn')
    several = Mnn(path, threads=3)
    for faces in (1, 2, 3, 5, 8, 13):
        x = torch.randn(faces, 1, 64, 64)
        torch.testing.assert_close(several(x), network(x), atol=1e-5, rtol=1e-5)


def test_beside_another_backend_pytorch_keeps_to_one_thread(weights):
    before = torch.get_num_threads()
    try:
        engine_of(weights, 'mnn', threads=2)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_the_tools_of_mnn_which_report_to_their_makers_are_never_imported(weights):
    pytest.importorskip('MNN', reason="needs the extra `fast` (pip install 'affect_perception[fast]')")
    engine_of(weights, 'mnn').step(frame(2))
    assert 'MNN' in sys.modules
    assert not [name for name in sys.modules if name.startswith(('MNN.tools', 'aliyun'))]


def test_mnn_prints_nothing_where_tables_and_json_belong(weights, capfd):
    pytest.importorskip('MNN', reason="needs the extra `fast` (pip install 'affect_perception[fast]')")
    engine_of(weights, 'mnn')
    assert capfd.readouterr() == ('', '')


def test_what_others_print_while_mnn_loads_is_not_lost(capfd):
    with without_greetings():
        os.write(1, b'MNN use high precision\nthe page is at http://...\n')
    assert capfd.readouterr() == ('', 'the page is at http://...\n')


def test_a_file_that_mnn_cannot_convert_or_load_is_refused_and_not_kept(tmp_path):
    pytest.importorskip('MNN', reason="needs the extra `fast` (pip install 'affect_perception[fast]')")
    (tmp_path / 'junk.onnx').write_text('junk')
    with pytest.raises(RuntimeError, match=r'MNN cannot convert .*junk\.onnx: .*not onnx model'):
        converted(tmp_path / 'junk.onnx')
    assert [file.name for file in tmp_path.iterdir()] == ['junk.onnx']
    damaged = tmp_path / f'junk.{version("MNN")}.mnn'
    damaged.write_text('junk')
    with pytest.raises(RuntimeError, match='MNN cannot load'):
        Mnn(tmp_path / 'junk.onnx', threads=1)
    assert not damaged.exists()


def eager(backend: Torch, inputs: torch.Tensor):
    """What a CUDA graph does, on the CPU: the same memory at every replay."""
    outputs = torch.empty_like(backend(inputs))
    return lambda: outputs.copy_(backend(inputs)), inputs, outputs


@torch.inference_mode()
def test_graphs_pad_a_batch_to_its_bucket_and_answer_as_the_network_does(weights):
    plain = Torch(checkpoint.load(weights).model.fold())
    recorded = []
    graphs = Graphs(plain, lambda backend, inputs: recorded.append(len(inputs)) or eager(backend, inputs))
    assert graphs.name == 'torch_graph'
    for faces in (1, 3, 4, 2, 300, 7, 1):
        x = torch.randn(faces, 1, 64, 64)
        assert torch.allclose(graphs(x), plain(x), atol=1e-5)
    assert recorded == [1, 4, 2, 8]


class Cramped(Torch):
    """A GPU with memory for so many faces at once."""

    most = 5

    def __call__(self, x):
        if len(x) > self.most:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory')
        return super().__call__(x)


@torch.inference_mode()
def test_a_gpu_without_the_memory_gets_half_as_many_faces_at_once(weights, caplog):
    cramped = Cramped(checkpoint.load(weights).model.fold())
    frugal = Frugal(cramped)
    x = torch.randn(19, 1, 64, 64)
    assert torch.allclose(frugal(x), Torch(checkpoint.load(weights).model.fold())(x), atol=1e-5)
    assert [record.args for record in caplog.records] == [(19, 9), (9, 4)]
    cramped.most = 4
    assert len(frugal(x)) == 19 and len(caplog.records) == 2  # remembered
    cramped.most = 0
    with pytest.raises(BadInputError, match='no memory left for one face') as error:
        frugal(x)
    assert error.value.kind == 'memory'


def test_a_gpu_without_memory_for_the_network_is_refused_at_start(weights, monkeypatch):
    def full(*_):
        raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate ...')

    monkeypatch.setattr(AffectEngine, '_chosen_backend', full)
    with pytest.raises(ConfigError, match='cpu has no memory left for model small; close what else runs on it'):
        engine_of(weights, 'torch')


def test_half_precision_and_graphs_are_for_gpus(weights):
    for name in ('torch_fp16', 'torch_graph', 'torch_fp16_graph'):
        assert selection.installed(name, 'cuda') and not selection.installed(name)
        with pytest.raises(ConfigError, match=f"backend '{name}' cannot be used here: it needs a GPU"):
            engine_of(weights, name)
    assert not selection.installed('mnn', 'cuda')


def test_a_cache_that_cannot_be_written_is_replaced_by_a_folder_of_this_process(monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    assert cache_folder().is_dir()


def test_offline_work_never_chooses_by_the_clock(weights, monkeypatch):
    assert reproducible(AffectSettings(backend='openvino')).backend == 'openvino'
    settings = reproducible(AffectSettings(model=weights, device='cpu', threads=1))
    monkeypatch.setattr(selection, 'milliseconds', lambda backend, x: pytest.fail('measured'))
    for there in (('torch', 'openvino', 'mnn'), ('torch', 'openvino'), ('torch',)):
        monkeypatch.setattr(selection, 'installed', lambda name, device='cpu', there=there: name in there)
        if all(importlib.util.find_spec({'mnn': 'MNN'}.get(name, name)) for name in there):
            assert AffectEngine(settings).backend == there[-1]


def test_two_offline_runs_give_the_same_bytes(weights):
    runs = []
    for _ in range(2):
        engine = AffectEngine(reproducible(AffectSettings(model=weights, device='cpu', threads=1)))
        runs.append([engine.step(frame(faces, i)) for i, faces in enumerate((3, 1, 0, 8, 2, 70, 3))])
    assert repr(runs[0]) == repr(runs[1])


def test_offline_work_goes_on_with_the_next_one_where_the_first_cannot_do_this_network(weights, monkeypatch, caplog):
    monkeypatch.setattr(selection, 'installed', lambda name, device='cpu': name in ('torch', 'mnn'))

    def broken(path, threads):
        raise RuntimeError('no such layer')

    monkeypatch.setattr(selection, 'exported', lambda *what: None)
    monkeypatch.setattr(selection, 'Mnn', broken)
    assert engine_of(weights, 'fixed').backend == 'torch'
    assert "left out: backend 'mnn' cannot run this network: no such layer" in caplog.text
    with pytest.raises(ConfigError, match="backend 'mnn' cannot run this network: no such layer; choose another"):
        engine_of(weights, 'mnn')
