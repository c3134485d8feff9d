"""Features of `logmel` against librosa and against the formulas, on tones, chirps, noise and speech-like sound."""

from __future__ import annotations

import numpy as np
import pytest
from builders.sound import chirp, noise, tone
from scipy.signal import lfilter

from affect_perception.audio.features.logmel import FRAME, LogMel, mel_filters
from affect_perception.audio.features.yin import yin


def vowels() -> np.ndarray:
    """Pulses of 90 to 180 Hz through two resonances, with noise: voiced sound (N,) float32."""
    hz = np.interp(np.arange(32000), [0, 16000, 32000], [90, 180, 120])
    pulses = (np.diff(np.floor(np.cumsum(hz) / 16000), prepend=0) > 0).astype(float)
    for formant, width in ((700, 90), (1200, 110)):
        r, angle = np.exp(-np.pi * width / 16000), 2 * np.pi * formant / 16000
        pulses = lfilter([1 - r], [1, -2 * r * np.cos(angle), r * r], pulses)
    return np.float32(pulses / np.abs(pulses).max() * 0.7 + 0.001 * np.random.default_rng(0).normal(size=32000))


SOUNDS = {'tone': tone(440, 1), 'chirp': chirp(80, 7000, 2), 'noise': noise(1), 'vowels': vowels()}


@pytest.mark.parametrize('name', SOUNDS)
def test_features_equal_those_of_librosa(name):
    librosa = pytest.importorskip('librosa', reason='librosa is the reference: pip install librosa')
    y = SOUNDS[name].astype(np.float64)
    power = librosa.feature.melspectrogram(
        y=y, sr=16000, n_fft=FRAME, hop_length=160, win_length=400, center=False, n_mels=40
    )
    mel = librosa.power_to_db(power, top_db=None)
    mfcc = librosa.feature.mfcc(S=mel, n_mfcc=13)
    rms = librosa.feature.rms(y=y[312:], frame_length=400, hop_length=160, center=False)[0]
    rows = LogMel().frames(SOUNDS[name])
    assert len(rows) == mel.shape[1]
    np.testing.assert_allclose(rows[:, :40], mel.T, atol=1e-4, rtol=1e-5)
    np.testing.assert_allclose(rows[:, 40:53], mfcc.T, atol=1e-4, rtol=1e-5)
    energy = 10 * np.log10(np.maximum(rms**2, 1e-10))
    np.testing.assert_allclose(rows[:, 53], energy[: len(rows)], atol=1e-4)


@pytest.mark.parametrize('name', SOUNDS)
def test_f0_equals_that_of_librosa(name):
    librosa = pytest.importorskip('librosa', reason='librosa is the reference: pip install librosa')
    y = SOUNDS[name].astype(np.float64)
    wanted = librosa.yin(y, fmin=60, fmax=500, sr=16000, frame_length=FRAME, hop_length=160, center=False)
    found, _ = yin(np.lib.stride_tricks.sliding_window_view(y, FRAME)[::160], 60, 500, 16000)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_spectrum_and_cepstrum_equal_their_formulas():
    x = SOUNDS['noise'][:FRAME].astype(float)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    n = np.arange(400)
    bins = np.array([abs(np.sum(x[312:712] * window * np.exp(-2j * np.pi * k * n / FRAME))) ** 2 for k in range(513)])
    mel = 10 * np.log10(np.maximum(mel_filters() @ bins, 1e-10))
    cosines = np.cos(np.pi * np.arange(13)[:, None] * (2 * np.arange(40) + 1) / 80) * np.sqrt(2 / 40)
    cosines[0] /= np.sqrt(2)
    row = LogMel().frames(SOUNDS['noise'][:FRAME])[0]
    np.testing.assert_allclose(row[:40], mel, atol=1e-4)
    np.testing.assert_allclose(row[40:53], cosines @ mel, atol=1e-4)
    assert row[53] == pytest.approx(10 * np.log10(np.mean(x[312:712] ** 2)), abs=1e-4)


@pytest.mark.parametrize('hz', [70.0, 123.4, 220.0, 440.0])
def test_f0_of_a_tone_is_its_frequency(hz):
    rows = LogMel().frames(tone(hz, 0.5))
    names = LogMel.names
    assert rows[:, names.index('f0_hz')] == pytest.approx(hz, rel=0.025)
    assert (rows[:, names.index('voicing')] > 0.85).all()


def test_silence_and_noise_have_no_f0():
    f0 = LogMel.names.index('f0_hz')
    assert not LogMel().frames(np.zeros(16000, np.float32))[:, f0].any()
    assert (LogMel().frames(SOUNDS['noise'])[:, f0] > 0).mean() < 0.05


def test_sound_shorter_than_a_window_has_no_frames():
    assert LogMel().frames(np.zeros(FRAME - 1, np.float32)).shape == (0, 56)
