"""Sound of videos in prepared data sets."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from builders.clips import write_clip
from builders.sound import tone

from affect_perception.datasets.prepare import PrepareOptions, prepare
from affect_perception.datasets.prepared import PreparedDataset
from affect_perception.settings import TrackerSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson

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
