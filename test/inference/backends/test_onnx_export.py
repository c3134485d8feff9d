"""Export to ONNX: once per weights, into the cache folder or a temporary one."""

import pytest
import torch
from builders.inference import small_smile_va

from affect_perception.inference.backends.onnx_export import export_onnx
from affect_perception.models import checkpoint
from affect_perception.runtime.kept_files import cache_folder


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Checkpoint of a small network; exports go to a cache folder of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield small_smile_va(tmp_path_factory.mktemp('weights'))


def test_an_export_is_written_once_per_weights(weights, monkeypatch):
    pytest.importorskip('onnxscript', reason="needs the extra `fast` (pip install 'affect_perception[fast]')")
    model, x = checkpoint.load(weights).model.fold(), torch.zeros(4, 1, 64, 64)
    first = export_onnx(model, x, 'a')
    written = first.stat().st_mtime_ns
    assert export_onnx(model, x, 'a') == first
    assert first.stat().st_mtime_ns == written
    assert export_onnx(model, x, 'b') != first
    assert first.parent == cache_folder()


def test_a_truncated_export_is_made_anew(weights, monkeypatch):
    pytest.importorskip('onnxscript', reason="needs the extra `fast` (pip install 'affect_perception[fast]')")
    model, x = checkpoint.load(weights).model.fold(), torch.zeros(4, 1, 64, 64)
    first = export_onnx(model, x, 'a')
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 2])
    assert export_onnx(model, x, 'a') == first
    assert len(first.read_bytes()) == len(whole)
