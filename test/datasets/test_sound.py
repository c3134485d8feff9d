"""Sound of videos in prepared data sets."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from builders.clips import write_clip
from builders.sound import chirp, noise, tone

from affect_perception.audio.stream import stream_of
from affect_perception.datasets.prepare import PrepareOptions, prepare
from affect_perception.datasets.prepared import PreparedDataset
from affect_perception.datasets.sound import SoundFeatures, extract_sound
from affect_perception.errors import ConfigError
from affect_perception.inference.audio_input import AudioBuffer, AudioNeed
from affect_perception.settings import AudioSettings, TrackerSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson
from affect_perception.sources.sound.media import MediaSound

pytest.importorskip('av', reason='media need PyAV: pip install av')
pytest.importorskip('soxr', reason='sound is an optional extra: pip install soxr')
pytest.importorskip('dlib', reason='needs dlib, for the detector')


def test_prepare_extracts_the_sound_of_videos(tmp_path):
    script = Script((ScriptedPerson(0, (KeyPose(0, 0.5, 0.5, 0.5),)),), 5.0)
    frames = [frame.rgb for frame in Scene(320, 240, 10, script=script, duration_s=1)]
    src, dst = tmp_path / 'src', tmp_path / 'dst'
    src.mkdir()
    write_clip(src / 'a.mkv', frames, 10, tone(200, 1))
    (src / 'index.csv').write_text('file,person,split,expression\na.mkv,p1,train,happy\n')
    tracker = TrackerSettings(detector='dlib_hog', reid='off')
    prepare('csv', src, dst, tracker, PrepareOptions(audio='logmel'))
    (sequence,) = PreparedDataset(dst, 'train').sequences
    rows = np.load(dst / sequence.audio_features)
    names = json.loads((dst / 'dataset.json').read_text())['audio']['names']
    assert rows.shape == (10, len(names))
    assert np.isfinite(rows).all()
    assert np.median(rows[:, names.index('f0_hz')]) == pytest.approx(200, rel=0.02)
    with (dst / 'findings.csv').open() as file:
        assert not [row for row in csv.DictReader(file) if row['kind'] == 'no_sound']


def live_rows(given: str, settings: AudioSettings, need: AudioNeed, times_s: list[float]) -> np.ndarray:
    """Sound of each image as the engine takes it from a recording that is played."""
    stream, buffer, out = stream_of(settings, exact=True), AudioBuffer(need), []
    parts = stream.steps(MediaSound(Path(given)), pytest.fail)
    rest = stream.finish()  # rows of openSMILE's engine, which works beside
    for part in [*parts, *([] if rest is None else [rest])]:
        buffer.put(part)
    for time_s in times_s:
        row = buffer.at(round(time_s * 1e9))
        out.append(np.full(need.count, np.nan, np.float32) if row is None else row)
    return np.stack(out)


@pytest.mark.parametrize(
    ('name', 'steps', 'settings'),
    [
        ('egemaps2', 'frame', AudioSettings(audio_features='egemaps', audio_speech=False)),
        ('egemaps_functionals', 'clip', AudioSettings(audio_functionals='egemaps', audio_speech=False)),
    ],
)
def test_prepared_sound_is_what_a_network_hears_live(tmp_path, name, steps, settings):
    pytest.importorskip('opensmile', reason='openSMILE is an optional extra: pip install opensmile')
    samples = chirp(100, 300, 2.6) + noise(2.6) / 8
    given = write_clip(tmp_path / 'a.mkv', [np.zeros((32, 32, 3), np.uint8)] * 26, 10, samples)
    times_s = [k / 10 for k in range(26)]
    sound = SoundFeatures(name)
    extract_sound(Path(given), name, []).write(times_s, tmp_path)
    (file,) = (tmp_path / 'audio').iterdir()
    prepared = np.load(file)
    width = {'egemaps2': 46, 'egemaps_functionals': 88}[name]
    assert prepared.shape[1] == len(sound.names) == width
    need = AudioNeed(width, steps, 4.0, tuple(sound.names), features=sound.about['features'])
    assert need.settings.items() <= vars(settings).items()
    live = live_rows(given, settings, need, times_s[: len(prepared)])
    known = np.isfinite(live).all(1)
    assert known.sum() > 10
    np.testing.assert_allclose(prepared[known], live[known], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('name', ['is10_functionals:0', 'is10_functionals:x', 'is09_functionals', 'mfcc', 'mfcc2'])
def test_names_of_features_that_are_none_are_refused(name):
    with pytest.raises(ConfigError, match=r'choose one of|give seconds'):
        SoundFeatures(name)
