"""People of the scene who speak words, by espeak-ng or a program with its command line."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from affect_perception.errors import ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources.scene import espeak
from affect_perception.sources.scene.dialogue import speaking_script
from affect_perception.sources.scene.speech import LEVEL, RATE, SpeechEvent, voice

STAND_IN = """#!{python}
import sys, wave
args = dict(zip(sys.argv[1:-1:2], sys.argv[2:-1:2]))
assert set(args) == {{'-v', '-s', '-w'}} and sys.argv[-1].count(' ') > 3
burst = [20000 if k // 50 % 2 else -20000 for k in range(4410)] + [0] * 2205  # 0.2 s, then 0.1 s of silence
with wave.open(args['-w'], 'w') as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(22050)
    file.writeframes(b''.join(v.to_bytes(2, 'little', signed=True) for v in burst * 12))
"""


@pytest.fixture(autouse=True)
def fresh():
    yield
    for cached in (espeak.speech, espeak.mouth, voice):
        cached.cache_clear()


def put_program(folder: Path, monkeypatch, text: str) -> None:
    """Put a program of that name before all others."""
    program = folder / espeak.PROGRAM
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv('PATH', f'{folder}{os.pathsep}{os.environ["PATH"]}')


def test_the_mouth_moves_with_the_words_and_equal_events_are_equal(tmp_path, monkeypatch):
    put_program(tmp_path, monkeypatch, STAND_IN.format(python=sys.executable))
    event = SpeechEvent(3.0, 2.0, 5, words=True)
    samples = voice(event)
    assert samples.shape == (2 * RATE,)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() == pytest.approx(LEVEL)
    openings = np.array([event.mouth(t) for t in np.arange(0, 2, 0.01)])
    loudness = np.abs(samples).reshape(200, -1).mean(1)
    assert np.corrcoef(openings, loudness)[0, 1] > 0.7
    assert openings.min() < 0.2
    assert openings.max() == 1
    assert event.mouth(2.1) == event.mouth(-0.1) == 0
    espeak.speech.cache_clear()
    np.testing.assert_array_equal(voice.__wrapped__(event), samples)


def test_without_the_program_the_scene_is_refused_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(ConfigError, match='apt install espeak-ng, or leave scene_voice at vowels'):
        speaking_script(SourceSettings(scene_voice='espeak-ng'))
    assert not any(e.words for p in speaking_script(SourceSettings()).people for e in p.speech)


def test_a_program_that_fails_is_told_with_its_own_words(tmp_path, monkeypatch):
    put_program(tmp_path, monkeypatch, '#!/bin/sh\necho no voice en+m1 >&2\nexit 3\n')
    with pytest.raises(ConfigError, match=r'gave no sound \(exit status 3\): no voice en'):
        voice(SpeechEvent(0, 1.0, 4, words=True))


@pytest.mark.skipif(shutil.which(espeak.PROGRAM) is None, reason='espeak-ng is not installed')
def test_people_of_the_scene_say_words_and_laugh_without():
    script = speaking_script(SourceSettings(scene_voice='espeak-ng', scene_people=2))
    events = [event for person in script.people for event in person.speech]
    assert events
    assert all(event.words for event in events)
    words = voice(next(event for event in events if not event.laugh))
    assert 0.01 < float(np.sqrt(np.mean(words**2))) < LEVEL
    laugh = SpeechEvent(0, 1.0, 4, laugh=True)
    np.testing.assert_array_equal(voice(SpeechEvent(0, 1.0, 4, laugh=True, words=True)), voice(laugh))
