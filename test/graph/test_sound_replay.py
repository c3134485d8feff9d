"""A recording with sound, replayed without loss: each image has the same sound before it in every run, as offline."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from builders.clips import write_clip
from conftest import wait_until

pytest.importorskip('av', reason='media need PyAV: pip install av')
pytest.importorskip('soxr', reason='sound is an optional extra: pip install soxr')

from affect_perception.settings import AffectSettings, AudioSettings, SourceSettings, TrackerSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson
from affect_perception.sources.scene.speech import SpeechEvent
from affect_perception.sources.sound.scene import SceneSound

pytestmark = [pytest.mark.ros, pytest.mark.slow]
FPS, SECONDS = 8, 4
COUNT = FPS * SECONDS
CPU = {'device': 'cpu', 'backend': 'fixed'}


@pytest.fixture(scope='module')
def talk(tmp_path_factory) -> str:
    """Clip of two people, of whom the left one speaks from 0.8 s on; the sound ends 0.5 s before the images."""
    people = [
        ScriptedPerson(i, (KeyPose(0, x, 0.5, 0.5),), speech=(SpeechEvent(0.8, 2.4, 3),) if i == 0 else ())
        for i, x in enumerate((0.27, 0.73))
    ]
    script = Script(tuple(people), float(SECONDS))
    scene = Scene(400, 224, FPS, script=script, duration_s=SECONDS)
    samples = SceneSound(script).samples(0, round((SECONDS - 0.5) * 16000))
    path = tmp_path_factory.mktemp('talk') / 'talk.mkv'
    return write_clip(path, (frame.rgb for frame in scene), FPS, samples)


def replayed(source: str, count: int, record: Path | None = None, **camera) -> list[list[float]]:
    """`speaking` of every face of every image of a lossless run with sound, until `count` images were answered."""
    pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
    pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
    from affect_perception.graph.run import RunningGraph
    from affect_perception.nodes.recorder_node import Recording

    settings = {
        'camera_node': {'rate': 0.0, **camera},
        'face_tracker_node': {'detector': 'dlib_hog'},
        'affect_node': CPU,
        'audio_node': {'audio': 'auto', 'audio_speech': False},
        'graph': {'agent': False, 'markers': False},
    }
    results = []
    recording = None if record is None else Recording(record, True)
    with RunningGraph(source, settings, on_affect=results.append, record=recording) as running:
        wait_until(lambda: len(results) >= count, 120)
        running.drain()
    return [[face.speaking for face in sorted(r.faces, key=lambda f: f.box.x)] for r in results[:count]]


def loudest(rows: list[list[float]]) -> float:
    """Largest `speaking` of the left one of two faces."""
    return float(np.nanmax([row[0] for row in rows if len(row) == 2]))


@pytest.fixture(scope='module')
def bag(tmp_path_factory) -> Path:
    pytest.importorskip('rosbags', reason='needs rosbags (pip install affect-perception[bags])')
    return tmp_path_factory.mktemp('recorded') / 'bag'


@pytest.fixture(scope='module')
def first(talk, bag) -> list[list[float]]:
    """The first replay, which is recorded."""
    return replayed(talk, COUNT, bag)


def test_another_replay_hears_the_same_and_a_looped_file_is_heard_in_every_pass(talk, first):
    assert len(first) == COUNT
    assert loudest(first) > 0.5  # the speaker was heard
    passes = replayed(talk, 2 * COUNT, loop=True)
    assert len(passes) == 2 * COUNT
    assert [len(row) for row in passes[:COUNT]] == [len(row) for row in first]
    np.testing.assert_array_equal(np.concatenate(passes[:COUNT]), np.concatenate(first))
    assert loudest(passes[COUNT:]) > 0.5


def test_a_replay_hears_what_evaluate_hears(talk, first, tmp_path):
    from affect_perception.evaluation.offline.runner import evaluate

    sound, tracker = AudioSettings(audio_speech=False), TrackerSettings(detector='dlib_hog')
    evaluate(talk, tmp_path, SourceSettings(source=talk), tracker, AffectSettings(**CPU), audio=sound)
    with (tmp_path / 'faces.csv').open() as file:
        rows = sorted(csv.DictReader(file), key=lambda r: (int(r['frame']), float(r['x'])))
    offline = [float(row['speaking']) for row in rows]
    np.testing.assert_allclose(offline, np.concatenate(first), atol=2e-3)


def test_a_bag_is_heard_as_it_was_recorded(bag, first):
    heard = replayed(str(bag), COUNT)
    assert len(heard) == COUNT
    assert loudest(heard) > 0.5
