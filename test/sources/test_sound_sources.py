"""Sound that a setting means, and the sound of bags."""

from __future__ import annotations

import numpy as np
import pytest
from builders.sound import tone

from affect_perception.core.sound import AudioFeatures
from affect_perception.errors import ConfigError
from affect_perception.settings import AudioSettings
from affect_perception.sources.sound import chosen_sound

SECOND = 1_000_000_000
DEFINITIONS = {
    'audio_common_msgs/msg/AudioData': 'uint8[] data\n',
    'audio_common_msgs/msg/AudioDataStamped': 'std_msgs/Header header\naudio_common_msgs/AudioData audio\n',
}


def test_the_sound_of_what_the_images_come_from_is_chosen(tmp_path):
    clip, images, bag = tmp_path / 'a.mp4', tmp_path / 'images', tmp_path / 'a.mcap'
    clip.write_bytes(b'')
    bag.write_bytes(b'')
    images.mkdir()
    for source in (str(clip), str(bag), 'scene', 'rtsp://camera/live'):
        assert chosen_sound('auto', source) == source
    for source in (str(images), 'topic:/image'):
        assert chosen_sound('auto', source) == ''
    assert chosen_sound('auto', 'camera:0') == 'microphone'
    assert chosen_sound('off', 'scene') == ''
    assert chosen_sound('microphone:2', 'scene') == 'microphone:2'


def sound_bag(path, kind: str, samples: np.ndarray, block: int = 1600):
    """Bag of a topic of 16 bit samples at 16 kHz, recorded 5 ms after the end of each block."""
    bags = pytest.importorskip('builders.bags')
    from rosbags.typesys import get_types_from_msg

    for name, text in DEFINITIONS.items():
        if name not in bags.ROS2.types:
            bags.ROS2.register(get_types_from_msg(text, name))
    types, messages = bags.ROS2.types, []
    for first in range(0, len(samples), block):
        part = samples[first : first + block]
        data = types['audio_common_msgs/msg/AudioData'](np.rint(part * 32767).astype('<i2').view(np.uint8))
        stamp_ns = bags.EPOCH_NS + round(first * SECOND / 16000)
        msg = data
        if kind.endswith('Stamped'):
            msg = types[kind](bags.header(stamp_ns), data)
        messages.append((stamp_ns + round(len(part) * SECOND / 16000) + 5_000_000, msg))
    return bags.write_bag2(path, {'/audio': messages}), bags.EPOCH_NS


@pytest.mark.parametrize('kind', DEFINITIONS)
def test_samples_of_a_bag_have_the_stamps_of_its_messages_or_of_their_recording(tmp_path, kind):
    path, start_ns = sound_bag(tmp_path / 'bag', kind, tone(200, 1))
    from affect_perception.sources.sound.bag import BagSound

    sound = BagSound(path, AudioSettings(), pytest.fail)
    blocks = list(sound)
    assert not sound.has_features
    assert sum(len(block.samples) for block in blocks) == 16000
    late_ns = 0 if kind.endswith('Stamped') else 5_000_000
    assert [block.stamp_ns for block in blocks] == [start_ns + late_ns + i * SECOND // 10 for i in range(10)]
    assert blocks[0].samples[:100, 0] == pytest.approx(tone(200, 1)[:100], abs=1e-4)


def test_evaluate_reads_the_samples_of_a_bag(tmp_path):
    pytest.importorskip('soxr', reason='sound is an optional extra: pip install soxr')
    from affect_perception.evaluation.offline.sound import RecordedSound

    path, start_ns = sound_bag(tmp_path / 'bag', 'audio_common_msgs/msg/AudioDataStamped', tone(220, 2))
    out = tmp_path / 'out'
    out.mkdir()
    sound = RecordedSound(str(path), out, AudioSettings(audio_speech=False), pytest.fail)
    parts: list[AudioFeatures] = sound.until(start_ns + 10 * SECOND)
    assert sound.source == 'bag'
    assert abs(parts[0].stamp_ns - start_ns - 32_000_000) < 1_000_000
    assert np.median(np.concatenate([p.column('f0_hz') for p in parts])[5:]) == pytest.approx(220, rel=0.02)
    assert sound.close()['seconds'] == pytest.approx(1.9, abs=0.1)


def test_a_bag_without_sound_is_refused_with_what_is_wanted(tmp_path):
    bags = pytest.importorskip('builders.bags')
    from affect_perception.sources.sound.bag import BagSound

    path = bags.write_bag2(tmp_path / 'bag', {'/image': bags.shades(2)})
    with pytest.raises(ConfigError, match=r'holds no sound: no topic of .* or audio_common_msgs'):
        BagSound(path, AudioSettings(), pytest.fail)
