"""Voices of the scene by espeak-ng, where that program is installed: words in place of generated vowels.

espeak-ng is the user's own program (GPL), run as a process of its own; nothing of it is linked or shipped. Its samples
differ between versions, so that scenes are equal to the sample only where espeak-ng is the same.
"""

from __future__ import annotations

import functools
import math
import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np

from affect_perception.errors import ConfigError

PROGRAM = 'espeak-ng'
_LIMIT_S = 10.0  # for one turn of speech
_WORDS_PER_MINUTE = 165
_HIGH_HZ = 160.0  # pitch from which a female voice is taken
_WORDS = (
    'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'river', 'window', 'morning', 'garden', 'table', 'yellow',
    'summer', 'market', 'paper', 'music', 'people', 'water', 'open', 'over', 'under', 'very', 'many', 'little', 'never',
)  # fmt: skip
_MOUTH_S = 0.01  # between two openings of the mouth
_SMOOTH_S = 0.08


def check() -> None:
    """Raise ConfigError where espeak-ng is not installed."""
    if shutil.which(PROGRAM) is None:
        raise ConfigError(f'no program {PROGRAM}: apt install espeak-ng, or leave scene_voice at vowels')


@functools.lru_cache(64)
def speech(seed: int, duration_s: float, pitch_hz: float, rate: int) -> np.ndarray:
    """Words of a seed (N,) float32 in [-1, 1], N = duration · rate, peak 1; ConfigError if espeak-ng fails."""
    from scipy.signal import resample_poly  # slow to import, in a program that may show faces only

    rng = np.random.default_rng((seed, 7))
    count = math.ceil(duration_s * _WORDS_PER_MINUTE / 60 * 1.6) + 2  # more than are heard
    text = ' '.join(_WORDS[i] for i in rng.integers(len(_WORDS), size=count))
    voice = f'en+{"f" if pitch_hz >= _HIGH_HZ else "m"}{1 + seed % 4}'
    with tempfile.TemporaryDirectory(prefix='affect_perception_') as folder:
        path = Path(folder) / 'speech.wav'
        command = [PROGRAM, '-v', voice, '-s', str(_WORDS_PER_MINUTE), '-w', str(path), text]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigError(f'{PROGRAM} does not run: {error}') from None
        try:
            samples, given = _read(path)
        except (OSError, EOFError, wave.Error, ValueError) as error:
            text = done.stderr.strip() or str(error)
            raise ConfigError(f'{PROGRAM} gave no sound (exit status {done.returncode}): {text}') from None
    divisor = math.gcd(given, rate)
    found = resample_poly(samples, rate // divisor, given // divisor)[: round(duration_s * rate)]
    found = np.pad(found, (0, round(duration_s * rate) - len(found)))
    fade = min(rate // 50, len(found))
    found[len(found) - fade :] *= np.linspace(1, 0, fade)
    return np.float32(found / max(np.abs(found).max(), 1e-9))


def _read(path: Path) -> tuple[np.ndarray, int]:
    """Samples (N,) float64 of a WAV file of 16 bit, first channel, and its rate in Hz."""
    with wave.open(str(path)) as file:
        channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
        data = file.readframes(file.getnframes())
    if width != 2 or not data:
        raise ValueError(f'{len(data)} bytes of {8 * width} bit; wanted 16 bit')
    return np.frombuffer(data, '<i2')[::channels] / 32768, rate


@functools.lru_cache(64)
def mouth(seed: int, duration_s: float, pitch_hz: float, rate: int) -> np.ndarray:
    """Opening of the mouth in [0, 1], every 10 ms: the smoothed loudness of the words."""
    samples = speech(seed, duration_s, pitch_hz, rate)
    hop, window = round(_MOUTH_S * rate), np.hanning(round(_SMOOTH_S / _MOUTH_S) + 2)
    loudness = np.sqrt(np.mean(samples[: len(samples) // hop * hop].reshape(-1, hop) ** 2, 1))
    smooth = np.convolve(loudness, window / window.sum(), 'same')
    opening: np.ndarray = np.clip(smooth / max(float(np.percentile(smooth, 95)), 1e-9), 0, 1)
    return opening


def opening(seed: int, duration_s: float, pitch_hz: float, rate: int, since_s: float) -> float:
    """Opening of the mouth in [0, 1] at a time in s since the start of the words."""
    openings = mouth(seed, duration_s, pitch_hz, rate)
    index = math.floor(since_s / _MOUTH_S)
    return float(openings[index]) if 0 <= index < len(openings) else 0.0
