"""Agreement: every backend gives PyTorch's outputs for any number of faces, and keeps NaN to its own face."""

import math

import pytest
import torch
from builders.inference import engine_of, noise_frame, small_smile_va

from affect_perception.inference.backends import selection
from affect_perception.inference.backends.backend import CPU_BACKENDS, is_available
from affect_perception.models.smile_va import SmileVa
from affect_perception.types import SmileLevel

OTHERS = [name for name in CPU_BACKENDS if name != 'torch']


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Checkpoint of a small network; exports go to a cache folder of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield small_smile_va(tmp_path_factory.mktemp('weights'))


@pytest.mark.parametrize('name', OTHERS)
def test_every_backend_agrees_with_pytorch_for_any_number_of_faces(name, weights):
    if not is_available(name):
        pytest.skip(f'{name} is not installed here, or the CPU does not multiply in bfloat16')
    engine, reference = engine_of(weights, name), engine_of(weights, 'torch')
    assert engine.backend == name
    for step, faces in enumerate((1, 3, 8, 70, 0, 2)):
        ours, wanted = (e.step(noise_frame(faces, step + 1)) for e in (engine, reference))
        assert [f.smile_intensity for f in ours.faces] == pytest.approx(
            [f.smile_intensity for f in wanted.faces], abs=selection.MAX_DEVIATION
        )


@pytest.mark.parametrize('name', CPU_BACKENDS)
def test_network_input_with_nan_makes_its_own_face_unknown_and_no_other(name, weights, monkeypatch):
    if not is_available(name):
        pytest.skip(f'{name} is not installed here, or the CPU does not multiply in bfloat16')
    engine = engine_of(weights, name)
    wanted = engine.step(noise_frame(4, 1)).faces
    engine.reset()
    preprocess = SmileVa.preprocess

    def broken(crops):
        x = preprocess(crops)
        x[1, 0, 30:40, 20] = torch.tensor(float('nan'))
        x[2, 0, 5, 5] = torch.tensor(float('inf'))
        return x

    with monkeypatch.context() as patch:
        patch.setattr(SmileVa, 'preprocess', staticmethod(broken))
        first, *lost, last = engine.step(noise_frame(4, 1)).faces
    assert [face.smile_level for face in lost] == [SmileLevel.UNKNOWN] * 2
    assert all(math.isnan(face.valence) and math.isnan(face.smile_intensity) for face in lost)
    for face, alone in ((first, wanted[0]), (last, wanted[3])):
        assert face.smile_intensity == pytest.approx(alone.smile_intensity, abs=1e-5)
    assert all(face.smile_level != SmileLevel.UNKNOWN for face in engine.step(noise_frame(4, 2)).faces)  # recovers
