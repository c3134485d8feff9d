"""Networks that hear, in the whole graph: each image has the same rows or functionals of openSMILE in every run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.clips import write_clip
from builders.papers import needs_torchvision, paper_checkpoint
from conftest import wait_until

pytest.importorskip('av', reason='media need PyAV: pip install av')
pytest.importorskip('soxr', reason='sound is an optional extra: pip install soxr')
pytest.importorskip('opensmile', reason='openSMILE is an optional extra: pip install opensmile')

from affect_perception.audio.features.opensmile import FUNCTIONALS, SETS, make_smile
from affect_perception.core.sound import stacked_names
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson
from affect_perception.sources.scene.speech import SpeechEvent
from affect_perception.sources.sound.scene import SceneSound

pytestmark = [pytest.mark.ros, pytest.mark.slow]
FPS, SECONDS = 6, 3
COUNT = FPS * SECONDS
MODELS = {
    'vielzeuf2018': ('egemaps_functionals', 'Functionals', FUNCTIONALS['egemaps'], 1),
    'aspandi2020': ('egemaps2', 'LowLevelDescriptors', SETS['egemaps'], 2),
}


@pytest.fixture(scope='module')
def talk(tmp_path_factory) -> str:
    """Clip of one person who speaks from the start on."""
    person = ScriptedPerson(0, (KeyPose(0, 0.5, 0.5, 0.6),), speech=(SpeechEvent(0.1, 2.8, 3),))
    script = Script((person,), float(SECONDS))
    scene = Scene(256, 224, FPS, script=script, duration_s=SECONDS)
    samples = SceneSound(script).samples(0, SECONDS * 16000)
    return write_clip(tmp_path_factory.mktemp('talk') / 'talk.mkv', (frame.rgb for frame in scene), FPS, samples)


def hearing_checkpoint(name: str, folder: Path) -> str:
    """Checkpoint of a small network that names the openSMILE features it was trained with."""
    features, level, feature_set, stack = MODELS[name]
    names = stacked_names(tuple(make_smile(feature_set, level).feature_names), stack)
    names = tuple(n.removesuffix('[0]') for n in names) if stack == 1 else names
    audio = {'features': features, 'names': names, 'mean': [0.0] * len(names), 'deviation': [10.0] * len(names)}
    return paper_checkpoint(name, folder, header={'audio': audio}, audio=len(names))


def outputs(talk: str, model: str, sound: str) -> list[list[float]]:
    """Expressions or affect of every image of a lossless run."""
    pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
    pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
    from affect_perception.graph.run import RunningGraph

    settings = {
        'camera_node': {'rate': 0.0},
        'face_tracker_node': {'detector': 'dlib_hog'},
        'affect_node': {'device': 'cpu', 'backend': 'fixed', 'model': model, 'stride_s': 0.0},
        'audio_node': {'audio': sound, 'audio_speech': False, 'audio_stride_s': 0.5},
        'graph': {'agent': False, 'markers': False},
    }
    results = []
    with RunningGraph(talk, settings, on_affect=results.append) as running:
        wait_until(lambda: len(results) >= COUNT, 120)
        running.drain()
    faces = [face for result in results for face in result.faces]
    return [[*face.expression_probabilities, face.valence, face.arousal] for face in faces]


@pytest.mark.parametrize('name', [pytest.param(n, marks=needs_torchvision(n)) for n in MODELS])
def test_a_network_hears_the_same_in_every_replay(talk, tmp_path, name):
    model = hearing_checkpoint(name, tmp_path)
    first = outputs(talk, model, 'auto')
    assert len(first) > COUNT / 2
    np.testing.assert_array_equal(outputs(talk, model, 'auto'), first)
    silent = outputs(talk, model, 'off')
    assert len(silent) == len(first)
    differing = [not np.array_equal(a, b, equal_nan=True) for a, b in zip(first, silent, strict=True)]
    assert sum(differing) > COUNT / 4
