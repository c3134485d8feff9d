"""audio_node: features of media, scene and topics, and what it does about bad sound."""

from __future__ import annotations

import itertools
import time
import wave

import numpy as np
import pytest
from builders.sound import sound_bag, tone
from conftest import wait_until

pytest.importorskip('soxr', reason='sound is an optional extra: pip install soxr')
rclpy = pytest.importorskip('rclpy')

from affect_perception.core.sound import SoundBlock  # noqa: E402
from affect_perception.errors import ConfigError  # noqa: E402
from affect_perception.msg import AudioFeatures  # noqa: E402
from affect_perception.nodes import audio_node  # noqa: E402
from affect_perception.nodes.audio_node import AudioNode  # noqa: E402
from affect_perception.ros import qos  # noqa: E402
from affect_perception.ros.conversions import features_from_msg  # noqa: E402
from affect_perception.ros.executors import Spinner  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.fixture
def heard(ros):
    """Function: run audio_node with settings until `count` messages came or `until(node)`; -> (node, features)."""
    made = []

    def run(count: int, until=lambda node: False, **settings):
        node = AudioNode({'audio_speech': False, **settings})
        listener = rclpy.create_node('listener')
        found = []
        listener.create_subscription(
            AudioFeatures, 'audio_features', lambda m: found.append(features_from_msg(m)), qos.RESULTS
        )
        spinner = Spinner([node, listener])
        made.append((node, listener, spinner))
        wait_until(node._features.get_subscription_count)
        node.start()
        wait_until(lambda: len(found) >= count or until(node))
        return node, found

    yield run
    for node, listener, spinner in made:
        node.close()
        spinner.close()
        node.destroy_node()
        listener.destroy_node()


def wav(path, samples: np.ndarray, rate: int, width: int) -> str:
    """Write samples (N, C) in [-1, 1] as PCM of `width` bytes."""
    data = np.rint(samples * (2 ** (8 * width - 1) - 1)).astype('<i4').view(np.uint8).reshape(-1, 4)[:, :width]
    with wave.open(str(path), 'wb') as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data.tobytes())
    return str(path)


def test_a_file_of_8_khz_stereo_24_bit_is_heard(heard, tmp_path):
    pytest.importorskip('av', reason='media need PyAV: pip install av')
    stereo = np.stack([tone(200, 1, 8000), tone(200, 1, 8000)], 1)
    node, found = heard(8, audio=wav(tmp_path / 'a.wav', stereo, 8000, 3))
    assert len(found) >= 8
    assert np.median(found[3].column('f0_hz')) == pytest.approx(200, rel=0.02)
    assert not node.diagnostics.bad_inputs
    for before, after in itertools.pairwise(found):
        assert after.stamp_ns == pytest.approx(before.end_ns, abs=2e6)


def test_a_bag_that_is_heard_alone_begins_now(heard, tmp_path):
    path, _ = sound_bag(tmp_path / 'bag', 'audio_common_msgs/msg/AudioDataStamped', tone(200, 2))
    before_ns = time.time_ns()
    _, found = heard(4, audio=str(path))
    assert len(found) >= 4
    assert 0 <= found[0].stamp_ns - before_ns < 60 * 10**9


def test_the_scene_is_heard(heard):
    _, found = heard(3, audio='scene')
    assert found[0].names[53:] == ('energy_db', 'f0_hz', 'voicing')


@pytest.mark.parametrize(('audio', 'reason'), [('microphone:99', 'micro'), ('/nowhere/a.wav', 'no sound')])
def test_sound_that_is_not_there_is_told_once_and_is_no_end(heard, audio, reason):
    node, found = heard(1, lambda node: node.diagnostics.bad_inputs, audio=audio)
    assert not found
    assert set(node.diagnostics.bad_inputs) == {'audio'}
    assert reason in node._state


def test_a_file_without_an_audio_track_is_told(heard, tmp_path):
    av = pytest.importorskip('av', reason='media need PyAV: pip install av')
    with av.open(str(tmp_path / 'a.mp4'), 'w') as out:
        stream = out.add_stream('mpeg4', rate=10)
        stream.width = stream.height = 64
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), 'rgb24')))
        out.mux(stream.encode())
    node, _ = heard(1, lambda node: node.diagnostics.bad_inputs, audio=str(tmp_path / 'a.mp4'))
    assert 'no audio track' in node._state


def test_clipped_sound_is_told_and_used(heard, tmp_path):
    pytest.importorskip('av', reason='media need PyAV: pip install av')
    square = np.sign(tone(200, 1))[:, None]
    node, found = heard(5, audio=wav(tmp_path / 'a.wav', square, 16000, 2))
    assert found
    assert node.diagnostics.bad_inputs['clipped']


def test_a_source_of_sound_that_fails_in_every_way_is_counted_and_opened_again(heard, monkeypatch):
    opened = []

    class Broken:
        live, name = True, 'broken'

        def __init__(self, *_):
            opened.append(self)

        def __getattr__(self, name):
            raise LookupError(f'injected: {name}')

    monkeypatch.setattr('affect_perception.nodes.audio_node.open_sound', Broken)
    monkeypatch.setattr('affect_perception.nodes.audio_node._RETRY_S', 0.01)
    node, _ = heard(1, lambda node: len(opened) > 2, audio='microphone')
    assert len(opened) > 2
    assert node.diagnostics.bad_inputs['internal'] > 3


class Unplugged:
    """Live source of a tone that is unplugged after some blocks."""

    name, live, exact = 'loose microphone', True, False

    def __init__(self, blocks: int) -> None:
        self._blocks = blocks

    def __iter__(self):
        start_ns = time.time_ns()
        for k in range(self._blocks):
            time.sleep(max(start_ns + (k + 1) * 50_000_000 - time.time_ns(), 0) * 1e-9)
            yield SoundBlock(start_ns + k * 50_000_000, tone(200, 0.05)[:, None], 16000)
        raise OSError('microphone loose gives no sound any more')

    def close(self) -> None:
        pass


def test_a_device_that_is_unplugged_is_told_once_and_heard_again_after_its_return(heard, monkeypatch):
    opened = []

    def open_again(*_):
        opened.append(time.monotonic())
        if len(opened) in (2, 3):
            raise ConfigError('no microphone')
        return Unplugged(10 if len(opened) == 1 else 1000)

    monkeypatch.setattr(audio_node, 'open_sound', open_again)
    node, found = heard(8, audio='microphone')
    assert len(found) >= 8
    assert node._state == 'playing'
    assert node.diagnostics.bad_inputs['audio'] == 3  # logged at the first one only
    gaps_s = [(b.stamp_ns - a.end_ns) * 1e-9 for a, b in itertools.pairwise(found)]
    assert max(gaps_s) > 1.0  # the time without a device is a gap, not invented


def test_silence_is_told(heard, tmp_path, monkeypatch):
    pytest.importorskip('av', reason='media need PyAV: pip install av')
    monkeypatch.setattr(audio_node, '_SILENT_S', 0.5)
    node, found = heard(8, audio=wav(tmp_path / 'a.wav', np.zeros((16000, 1)), 16000, 2))
    assert found
    assert node.diagnostics.bad_inputs['silence'] >= 1
