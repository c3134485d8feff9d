"""MNN backend: any number of faces from any thread, errors of damaged files, nothing of MNN's tools is imported."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import pytest
import torch
from builders.inference import engine_of, noise_frame, small_smile_va
from conftest import ROOT

from affect_perception.inference.backends.mnn import MnnBackend, convert_to_mnn
from affect_perception.inference.backends.onnx_export import export_onnx
from affect_perception.models import checkpoint
from affect_perception.runtime import kept_files

pytest.importorskip('MNN', reason="needs the extra `fast` (pip install 'affect_perception[fast]')")


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Checkpoint of a small network; exports go to a cache folder of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield small_smile_va(tmp_path_factory.mktemp('weights'))


@pytest.fixture(scope='module')
def network(weights) -> MnnBackend:
    """The CNN of `weights` in MNN."""
    return MnnBackend(export_onnx(checkpoint.load(weights).model.fold(), torch.zeros(4, 1, 64, 64), 'mnn'), threads=1)


def test_mnn_runs_any_number_of_faces_in_any_order_from_any_thread(network, weights):
    model = checkpoint.load(weights).model.fold()
    inputs = [torch.randn(faces, 1, 64, 64) for faces in (3, 1, 9, 64, 2, 9, 1)]
    with torch.inference_mode(), ThreadPoolExecutor(1) as elsewhere:
        for x in inputs:
            wanted = model.features(x)
            assert torch.allclose(network(x), wanted, atol=1e-4)
            assert torch.equal(elsewhere.submit(network, x).result(), network(x))


def test_several_mnn_backends_run_concurrently(network, weights):
    path = export_onnx(checkpoint.load(weights).model.fold(), torch.zeros(4, 1, 64, 64), 'mnn')
    networks = [MnnBackend(path, threads=threads) for threads in (1, 2, 1)]
    inputs = [torch.randn(faces, 1, 64, 64) for faces in (2, 5, 3)]
    alone = [net(x) for net, x in zip(networks, inputs, strict=True)]

    def again(place: int) -> bool:
        return all(torch.equal(networks[place](inputs[place]), alone[place]) for _ in range(20))

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(again, range(3)))


def test_mnn_gives_the_same_outputs_with_one_and_several_threads(network, weights):
    path = export_onnx(checkpoint.load(weights).model.fold(), torch.zeros(4, 1, 64, 64), 'mnn')
    several = MnnBackend(path, threads=3)
    for faces in (1, 2, 3, 5, 8, 13):
        x = torch.randn(faces, 1, 64, 64)
        torch.testing.assert_close(several(x), network(x), atol=1e-5, rtol=1e-5)


def test_the_tools_of_mnn_which_report_to_their_makers_are_never_imported(weights):
    engine_of(weights, 'mnn').step(noise_frame(2))
    assert 'MNN' in sys.modules
    assert not [name for name in sys.modules if name.startswith(('MNN.tools', 'aliyun'))]


def test_mnn_prints_one_line_about_the_cpu_and_nothing_else(weights):
    code = (
        f"from builders.inference import engine_of, noise_frame; engine_of({weights!r}, 'mnn', 2).step(noise_frame(9))"
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT / 'test', capture_output=True, text=True, check=True)
    assert done.stderr == ''
    assert [line.split(':')[0] for line in done.stdout.splitlines()] == ['The device supports']


def test_a_file_that_mnn_cannot_convert_or_load_is_refused_and_not_kept(tmp_path):
    (tmp_path / 'junk.onnx').write_text('junk')
    with pytest.raises(RuntimeError, match=r'MNN cannot convert .*junk\.onnx: .*not onnx model'):
        convert_to_mnn(tmp_path / 'junk.onnx')
    assert [file.name for file in tmp_path.iterdir()] == ['junk.onnx']
    damaged = tmp_path / f'junk.{version("MNN")}.mnn'
    damaged.write_text('junk')
    kept_files._checksum_file(damaged).write_text(kept_files.sha256(damaged))
    with pytest.raises(RuntimeError, match='MNN cannot load'):
        MnnBackend(tmp_path / 'junk.onnx', threads=1)
    assert not damaged.exists()
