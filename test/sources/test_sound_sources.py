"""Sound that a setting means, and the sound of bags."""

from __future__ import annotations

import numpy as np
import pytest
from builders.sound import SOUND_TYPES, sound_bag, tone

from affect_perception.core.sound import AudioFeatures
from affect_perception.errors import ConfigError
from affect_perception.settings import AudioSettings
from affect_perception.sources.sound import chosen_sound, shares_clock

SECOND = 1_000_000_000


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


@pytest.mark.parametrize(
    ('sound', 'images', 'same'),
    [
        ('a.wav', 'a.mp4', True),
        ('a.wav', 'scene', True),
        ('scene', 'scene', True),
        ('a.mcap', 'b.mcap', True),
        ('a.wav', 'b.mcap', False),
        ('a.mcap', 'a.mp4', False),
        ('a.wav', 'camera:0', False),
        ('a.mcap', 'camera:0', False),
    ],
)
def test_sound_of_another_clock_than_the_images_begins_with_them(tmp_path, sound, images, same):
    for name in ('a.wav', 'a.mp4', 'a.mcap', 'b.mcap'):
        (tmp_path / name).touch()
    path = tmp_path / images
    assert shares_clock(str(tmp_path / sound), str(path) if path.exists() else images) is same


@pytest.mark.parametrize('kind', SOUND_TYPES)
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
