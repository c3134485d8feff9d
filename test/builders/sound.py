"""Builders of sound: tones, chirps, noise, generated speech, and blocks of samples with stamps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from affect_perception.core.sound import RATE, SoundBlock


def tone(hz: float, seconds: float, rate: int = RATE, amplitude: float = 0.5) -> np.ndarray:
    """Sine (N,) float32."""
    return np.float32(amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate))


def chirp(low_hz: float, high_hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    """Linear chirp (N,) float32."""
    t = np.arange(round(seconds * rate)) / rate
    return np.float32(0.5 * np.sin(2 * np.pi * (low_hz * t + (high_hz - low_hz) / (2 * seconds) * t**2)))


def noise(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """White noise (N,) float32, RMS 0.1."""
    return np.float32(0.1 * np.random.default_rng(seed).normal(size=round(seconds * rate)))


def blocks(
    samples: np.ndarray, rate: int = RATE, start_ns: int = 0, size: int = 1600, ppm: float = 0.0, jitter_s: float = 0.0
) -> Iterator[SoundBlock]:
    """Blocks of samples (N,) or (N, C) as of a device whose crystal is off by `ppm`, with jitter of the stamps."""
    rng = np.random.default_rng(7)
    wide = samples[:, None] if samples.ndim == 1 else samples
    for first in range(0, len(wide), size):
        true_s = first / (rate * (1 + ppm * 1e-6))
        stamp_ns = start_ns + round((true_s + jitter_s * rng.uniform(-1, 1)) * 1e9)
        yield SoundBlock(stamp_ns, np.ascontiguousarray(wide[first : first + size]), rate)
