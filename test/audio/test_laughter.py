"""Laughter against speech, both generated."""

from __future__ import annotations

import numpy as np
import pytest

from affect_perception.audio.features.logmel import LogMel
from affect_perception.audio.laughter import laughter, with_laughter
from affect_perception.audio.sound_history import SoundHistory
from affect_perception.core.sound import AudioFeatures
from affect_perception.sources.scene.speech import SpeechEvent, voice
from affect_perception.types import Affect, AffectFrame, Box


def history(event: SpeechEvent) -> SoundHistory:
    """Sound of an event after half a second of a quiet room."""
    room = np.random.default_rng(0).normal(0, 0.001, len(voice(event)) + 16000).astype(np.float32)
    room[8000:-8000] += voice(event)
    sound = SoundHistory()
    sound.put(AudioFeatures(32_000_000, 0.01, LogMel.names, LogMel().frames(room)))
    return sound


def share_of_laughter(laugh: bool) -> float:
    """Share of the moments in the second half of generated laughs, or of speech, in which laughter is found."""
    found = []
    for seed in range(12):
        sound = history(SpeechEvent(0.0, 3.0, seed, 120.0 + 90 * (seed % 2), laugh))
        found += [laughter(sound, round(t * 1e9)) for t in np.arange(1.8, 3.4, 0.2)]
    return float(np.mean(found))


def test_laughs_are_told_from_speech():
    assert share_of_laughter(True) >= 0.8
    assert share_of_laughter(False) <= 0.1


def test_silence_and_too_little_sound_are_no_laughter():
    assert laughter(SoundHistory(), 10**9) == 0
    sound = history(SpeechEvent(0.0, 1.0, 1, laugh=True))
    assert laughter(sound, 60 * 10**9) == 0


def test_only_the_face_that_speaks_laughs():
    sound = history(SpeechEvent(0.0, 3.0, 1, laugh=True))
    levels = (0.0, 0.0, 0.0, 1.0)
    faces = tuple(
        Affect(i, Box(0, 0, 9, 9), 1.0, levels, 0.9, speaking=s) for i, s in enumerate((0.9, 0.1, float('nan')))
    )
    found = with_laughter(AffectFrame(2_500_000_000, '', 'm', faces), sound).faces
    assert [face.laughter for face in found] == pytest.approx([1.0, 0.0, float('nan')], nan_ok=True)
