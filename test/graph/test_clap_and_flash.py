"""A clap and a flash that are generated together meet by stamp, live and offline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.clips import write_clip
from conftest import wait_until

from affect_perception.audio.stream import FeatureStream
from affect_perception.settings import SourceSettings
from affect_perception.sources.video import open_file

pytest.importorskip('av', reason='media need PyAV: pip install av')
pytest.importorskip('soxr', reason='sound is an optional extra: pip install soxr')

FPS, RATE, SECONDS = 25, 16_000, 4
CLAPS_S = (1.0, 2.2, 3.4)


@pytest.fixture(scope='module')
def clip(tmp_path_factory) -> Path:
    """Dark pictures with a flash of one frame, and a click of 5 ms, at each of CLAPS_S."""
    samples = np.zeros(SECONDS * RATE, np.float32)
    frames = [np.full((96, 128, 3), 20, np.uint8) for _ in range(SECONDS * FPS)]
    rng = np.random.default_rng(0)
    for clap in CLAPS_S:
        frames[round(clap * FPS)][:] = 240
        at = round(clap * RATE)
        samples[at : at + 80] = rng.uniform(-0.8, 0.8, 80)
    return Path(write_clip(tmp_path_factory.mktemp('clap') / 'clap.mkv', frames, FPS, samples))


def flashes_of(frames) -> list[int]:
    """Stamps in ns of the bright frames."""
    return [stamp_ns for stamp_ns, rgb in frames if rgb.mean() > 120]


def claps_of(parts) -> list[float]:
    """Times in ns of the clicks: the middle of each loud stretch of energy."""
    stamps = np.concatenate([f.stamp_ns + np.arange(len(f.values)) * f.period_s * 1e9 for f in parts])
    loud = np.concatenate([f.column('energy_db') for f in parts]) > -40
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
    return [float(stamps[a:b].mean()) for a, b in edges.reshape(-1, 2)]


def test_offline_they_are_at_most_a_frame_apart(clip):
    from affect_perception.sources.sound.media import MediaSound

    video = open_file(clip, SourceSettings(source=str(clip)), pytest.fail)
    stream = FeatureStream(exact=True, speech=False)
    claps = claps_of(stream.steps(list(MediaSound(clip)), pytest.fail))
    flashes = flashes_of((frame.stamp_ns, frame.rgb) for frame in video)
    assert len(claps) == len(flashes) == len(CLAPS_S)
    assert np.abs(np.subtract(claps, flashes)).max() * 1e-9 < 1 / FPS


@pytest.mark.ros
def test_live_they_are_at_most_20_ms_apart(clip, ros):
    from rclpy.qos import QoSProfile, QoSReliabilityPolicy
    from sensor_msgs.msg import Image

    from affect_perception.core.message_readers import features_from_msg, frame_from_msg
    from affect_perception.msg import AudioFeatures
    from affect_perception.nodes.audio_node import AudioNode
    from affect_perception.nodes.camera_node import CameraNode
    from affect_perception.ros.executors import Spinner

    camera = CameraNode({'source': str(clip), 'rate': 0.8})
    audio = AudioNode({'audio_speech': False}).beside(camera.settings, camera.playback)
    listener = ros.create_node('listener')
    images, sounds = [], []

    def see(msg: Image) -> None:
        frame = frame_from_msg(msg)
        images.append((frame.stamp_ns, frame.rgb))

    def hear(msg: AudioFeatures) -> None:
        sounds.append(features_from_msg(msg))

    every_one = QoSProfile(depth=SECONDS * FPS, reliability=QoSReliabilityPolicy.RELIABLE)
    of_images = listener.create_subscription(Image, 'image', see, every_one)
    of_sound = listener.create_subscription(AudioFeatures, 'audio_features', hear, every_one)
    spinner = Spinner([camera, audio, listener])
    try:
        wait_until(lambda: of_images.get_publisher_count() and of_sound.get_publisher_count())
        audio.start()
        camera.start()
        wait_until(lambda: camera.finished and audio.finished, 120)
        wait_until(lambda: sounds and sounds[-1].stamp_ns == audio.newest_ns[False])
    finally:
        camera.close()
        audio.close()
        spinner.close()
        for node in (camera, audio, listener):
            node.destroy_node()
    claps, flashes = claps_of(sounds), flashes_of(images)
    assert len(claps) == len(CLAPS_S)
    assert flashes  # a loaded machine skips images
    for flash in flashes:
        assert min(abs(clap - flash) for clap in claps) * 1e-9 < 0.02
