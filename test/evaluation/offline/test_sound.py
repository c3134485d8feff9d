"""`evaluate --audio`: the sound of a clip beside its images."""

from __future__ import annotations

import csv
import json
import struct

import numpy as np
import pytest
from builders.clips import write_clip
from builders.sound import tone

from affect_perception.errors import ConfigError
from affect_perception.evaluation.offline.sound import RecordedSound
from affect_perception.settings import AudioSettings

pytest.importorskip('av', reason='media need PyAV: pip install av')
pytest.importorskip('soxr', reason='sound is an optional extra: pip install soxr')


def clip_of(path, samples) -> str:
    frames = [np.zeros((64, 64, 3), np.uint8)] * round(len(samples) / 1600)
    return write_clip(path, frames, 10, samples)


def test_the_sound_of_a_clip_is_read_by_stamp_and_tabulated(tmp_path):
    given = clip_of(tmp_path / 'a.mkv', tone(220, 2))
    sound = RecordedSound(given, tmp_path, AudioSettings(audio_speech=False), pytest.fail)
    first, rest = sound.until(1_000_000_000), sound.until(10**12)
    assert first[0].stamp_ns == 32_000_000
    assert first[-1].stamp_ns <= 10**9 < rest[0].stamp_ns
    about = sound.close()
    assert about['seconds'] == pytest.approx(1.94, abs=0.03)
    rows = list(csv.DictReader((tmp_path / 'audio.csv').open()))
    assert len(rows) == sum(len(f.values) for f in first + rest)
    assert float(rows[50]['stamp']) == pytest.approx(0.532, abs=1e-6)
    assert float(rows[50]['f0_hz']) == pytest.approx(220, rel=0.02)


def test_a_clip_without_sound_is_told_and_one_that_is_not_there_refused(tmp_path):
    import av

    with av.open(str(tmp_path / 'mute.mp4'), 'w') as out:
        stream = out.add_stream('mpeg4', rate=10)
        stream.width = stream.height = 64
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), 'rgb24')))
        out.mux(stream.encode())
    told = []
    sound = RecordedSound(str(tmp_path / 'mute.mp4'), tmp_path, AudioSettings(), told.append)
    assert not sound.source
    assert sound.until(10**12) == []
    assert 'no audio track' in str(told[0])
    with pytest.raises(ConfigError, match='no sound'):
        RecordedSound(str(tmp_path / 'mute.mp4'), tmp_path, AudioSettings(audio='/nowhere/a.wav'), told.append)


def test_sound_of_another_file_begins_with_the_first_image_of_a_bag(tmp_path):
    bag, wav = tmp_path / 'images.mcap', clip_of(tmp_path / 'a.mkv', tone(220, 1))
    bag.touch()
    sound = RecordedSound(str(bag), tmp_path, AudioSettings(audio=wav, audio_speech=False), pytest.fail)
    epoch_ns = 1_700_000_000_000_000_000
    sound.begin(epoch_ns)
    sound.begin(epoch_ns + 10**9)
    assert sound.until(epoch_ns + 10**12)[0].stamp_ns == epoch_ns
    beside = RecordedSound(wav, tmp_path, AudioSettings(audio=wav, audio_speech=False), pytest.fail)
    beside.begin(500_000_000)
    assert beside.until(10**12)[0].stamp_ns == 32_000_000  # the clock of the medium


@pytest.mark.slow
def test_evaluate_tells_who_speaks(tmp_path):
    from affect_perception.evaluation.offline.runner import evaluate
    from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings
    from affect_perception.sources.scene.scene import Scene
    from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson
    from affect_perception.sources.scene.speech import SpeechEvent
    from affect_perception.sources.sound.scene import SceneSound

    people = [
        ScriptedPerson(i, (KeyPose(0, x, 0.5, 0.4),), speech=(SpeechEvent(1.0 + 4 * i, 3.0, i),))
        for i, x in enumerate((0.27, 0.73))
    ]
    script = Script(tuple(people), 9.0)
    scene = Scene(480, 270, 10, script=script, duration_s=9)
    given = write_clip(tmp_path / 'talk.mkv', (f.rgb for f in scene), 10, SceneSound(script).samples(0, 9 * 16000))
    out = tmp_path / 'out'
    tracker = TrackerSettings(detector='dlib_hog')
    source = SourceSettings(source=given)
    evaluate(given, out, source, tracker, AffectSettings(), audio=AudioSettings(audio_speech=False))
    rows = list(csv.DictReader((out / 'faces.csv').open()))
    said = {(float(r['x']) > 200, round(float(r['stamp']), 1)): float(r['speaking']) for r in rows}
    left = [said[False, t] for t in (2.5, 3.0, 3.5) if (False, t) in said]
    right = [said[True, t] for t in (2.5, 3.0, 3.5) if (True, t) in said]
    assert min(left) > 0.5 > max(right)
    assert said[True, 7.0] > 0.5 > said[False, 7.0]
    assert json.loads((out / 'metrics.json').read_text())['sound']['source'] == 'talk.mkv'
    assert 'of sound' in (out / 'report.html').read_text()


def test_sound_that_cannot_be_read_on_is_told_and_the_images_are_evaluated_without(tmp_path):
    form = struct.pack('<IHHIIHH', 16, 1, 65535, 192000, 0xFFFFFFFF, 65535, 16)
    path = tmp_path / 'hostile.wav'
    path.write_bytes(b'RIFF\xff\xff\xff\x7fWAVEfmt ' + form + b'data\xff\xff\xff\x7f' + bytes(500))
    told = []
    sound = RecordedSound(str(path), tmp_path, AudioSettings(), told.append)
    assert sound.until(10**12) == []
    assert 'cannot be read any further' in str(told[0])
