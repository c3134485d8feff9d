"""Generated voice whose loudness, pitch and brightness follow arousal and valence, and descriptors of it.

Stands in for recorded sound where a set of pictures has none: the relation to the labels is put in here, so scores of a
network on it show that its audio path learns, and nothing about people.
"""

from __future__ import annotations

import itertools

import numpy as np

RATE = 16_000  # samples per second
BANDS = 13
DESCRIPTORS = (*(f'band_{i}' for i in range(BANDS)), 'energy', 'zero_crossings', 'pitch')
_HARMONICS = 12
_NOISE = 0.25  # standard deviation of what a voice says beside valence and arousal, in their unit


def voice(rng: np.random.Generator, valence: np.ndarray, arousal: np.ndarray, fps: float) -> tuple[np.ndarray, float]:
    """Voice (S,) float32 of one clip with valence and arousal (T,) per frame; returns samples and its usual pitch, Hz.

    Pitch and loudness rise with arousal, high harmonics with valence; speaker, offsets and breath noise are random.
    """
    frames, base = len(valence), 120.0 * 2 ** rng.uniform(-0.4, 0.9)
    samples = round(frames * RATE / fps)
    at = np.arange(samples) / RATE * fps

    def course(values: np.ndarray) -> np.ndarray:
        noisy = values + rng.normal(0, _NOISE) + rng.normal(0, _NOISE / 2, frames)
        return np.interp(at, np.arange(frames), noisy)

    excited, pleased = course(np.nan_to_num(arousal)), course(np.nan_to_num(valence))
    pitch = base * 2 ** (0.6 * excited)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tilt = np.clip(1.3 - 0.8 * pleased, 0.4, 2.5)
    tone = sum(np.sin(n * phase) * n**-tilt for n in range(1, _HARMONICS + 1))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(2, 5) * at / fps + rng.uniform(0, 6.3))
    breath = rng.normal(0, 0.05, samples)
    return np.float32(0.1 * np.exp(0.9 * excited) * syllables * tone + breath * 0.1), float(base)


def descriptors(samples: np.ndarray, frames: int, usual_pitch: float) -> np.ndarray:
    """Descriptors (T, 16) float32 of a voice: log energies of 13 bands, log energy, zero crossings, log pitch.

    The pitch (in octaves above `usual_pitch`) is the strongest frequency below 500 Hz. Windows: one per frame.
    """
    size = len(samples) // frames
    windows = samples[: size * frames].reshape(frames, size) * np.hanning(size)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2 + 1e-8
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    edges = np.geomspace(80, 8000, BANDS + 1)
    bands = [power[:, (frequency >= a) & (frequency < b)].mean(1) for a, b in itertools.pairwise(edges)]
    crossings = (np.diff(np.signbit(windows), axis=1) != 0).mean(1)
    low = (frequency > 60) & (frequency < 500)
    pitch = np.log2(frequency[low][power[:, low].argmax(1)] / usual_pitch)
    return np.float32(np.column_stack([*np.log(bands), np.log(power.sum(1)), 10 * crossings, pitch]) / 4)
