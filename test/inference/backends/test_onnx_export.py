"""Export to ONNX: once per weights, into the cache folder or a temporary one."""

import pytest
import torch
from builders.inference import small_smile_va

from affect_perception.inference.backends.onnx_export import cache_folder, export_onnx
from affect_perception.models import checkpoint


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


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_folder(monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    assert cache_folder().is_dir()
