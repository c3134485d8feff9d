"""Sound beside the faces: it is pulled away and given back, comes late, and is taken up to each image."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from affect_perception.core.sound import AudioFeatures
from affect_perception.ros.conversions import features_to_msg
from affect_perception.ros.inputs.sound_input import SoundInput
from affect_perception.types import Affect, AffectFrame, Box, Track, TrackedFrame

SECOND = 1_000_000_000
BOX = Box(0, 0, 40, 40)


class Node:
    """The part of a node that SoundInput uses without subscriptions: a logger, whose lines are kept."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def get_logger(self) -> Node:
        return self

    def info(self, text: str) -> None:
        self.lines.append(('info', text))

    def warning(self, text: str) -> None:
        self.lines.append(('warning', text))


def hear(sound: SoundInput, second: float, count: int = 10) -> None:
    """A tenth of a second of voice."""
    values = np.tile(np.float32([-20, 150]), (count, 1))
    values[: count // 2, 0] = -50
    features = AudioFeatures(round(second * SECOND), 0.01, ('energy_db', 'f0_hz'), values)
    sound._on_features(features_to_msg(features, 'microphone'), False)


def image(second: float, mouth: int = 90) -> tuple[TrackedFrame, AffectFrame]:
    stamp_ns, crop = round(second * SECOND), np.full((64, 64, 3), 120, np.uint8)
    crop[36:] = mouth
    affect = Affect(1, BOX, 0.9, (0.7, 0.2, 0.1, 0.0), 0.2 + 0.1 * math.sin(second), valence=0.3, arousal=-0.1)
    tracked = TrackedFrame(stamp_ns, '', 64, 64, (Track(1, BOX, 0.9, 0.0, crop),))
    return tracked, AffectFrame(stamp_ns, '', 'model', (affect,))


def test_sound_that_is_pulled_away_leaves_the_video_as_it_is_and_resumes_within_a_second():
    node = Node()
    sound = SoundInput(node, 'audio_features', pytest.fail)
    speaking = {}
    for k in range(100):
        at = k / 10
        if not 3 <= at < 6:
            hear(sound, at - 0.1)
        tracked, affect = image(at, 60 + 60 * (k % 2))
        sound.take(tracked.stamp_ns)
        with_sound = sound.add_speaking('', tracked, affect)
        face = with_sound.faces[0]
        speaking[at] = face.speaking
        silent = dataclasses.replace(with_sound, faces=(dataclasses.replace(face, speaking=math.nan),))
        assert repr(silent) == repr(affect)  # nothing but `speaking` ever differs
    assert all(math.isfinite(speaking[at]) for at in speaking if 0.2 <= at <= 3.0 or at >= 6.5)
    assert all(math.isnan(speaking[at]) for at in speaking if 3.6 <= at < 6.0)
    assert [kind for kind, _ in node.lines] == ['info', 'warning', 'info']
    assert 'video only' in node.lines[1][1]


def test_without_sound_results_are_the_same_objects():
    sound = SoundInput(Node(), 'audio_features', pytest.fail)
    tracked, affect = image(1.0)
    assert sound.take(tracked.stamp_ns) == []
    assert sound.add_speaking('', tracked, affect) is affect


@pytest.mark.parametrize('late_s', [600.0, -600.0])
def test_sound_of_another_time_is_told_once_and_used_for_nothing(late_s):
    node = Node()
    sound = SoundInput(node, 'audio_features', pytest.fail)
    for k in range(20):
        at = 1000 + k / 10
        hear(sound, at - 0.1 - late_s)
        tracked, affect = image(at)
        sound.take(tracked.stamp_ns)
        assert math.isnan(sound.add_speaking('', tracked, affect).faces[0].speaking)
    assert len(node.lines) == 1
    assert f'{abs(late_s):.0f} s {"behind" if late_s > 0 else "ahead of"} the images' in node.lines[0][1]


def test_sound_is_taken_up_to_an_image_and_no_further():
    sound = SoundInput(Node(), 'audio_features', pytest.fail)
    for at in (1.0, 1.1, 1.3, 9.0):
        hear(sound, at)
    assert [features.stamp_ns for features in sound.take(SECOND)] == [SECOND, 11 * SECOND // 10]
    hear(sound, 1.4)  # sound with a wrong stamp before it does not keep it back
    assert len(sound.take(13 * SECOND // 10)) == 2
    assert sound.take(2 * SECOND) == []
