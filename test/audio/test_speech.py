"""Speech activity: silence and noise are no speech, speech is."""

from __future__ import annotations

import numpy as np
import pytest
from builders.sound import noise, tone

from affect_perception.audio.speech import CHUNK, SpeechActivity

pytest.importorskip('silero_vad', reason='speech activity is an optional extra: pip install silero-vad')
pytest.importorskip('onnxruntime', reason='speech activity is an optional extra: pip install onnxruntime')


def test_silence_noise_and_tones_are_no_speech():
    speech = SpeechActivity()
    for samples in (np.zeros(32000, np.float32), noise(2), tone(300, 2)):
        assert speech.probabilities(samples)[5:].max() < 0.5


def test_blocks_of_any_size_give_the_same_answers():
    samples = noise(1)
    speech = SpeechActivity()
    whole = speech.probabilities(samples)
    speech.reset()
    answers = [speech.step(samples[i : i + 100]) for i in range(0, len(samples), 100)]
    assert any(answers) == bool((whole >= 0.5).any())
    assert len(whole) == len(samples) // CHUNK
