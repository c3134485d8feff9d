"""Builders of sound: tones, chirps, noise, blocks of samples with stamps, and bags of samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from affect_perception.core.sound import RATE, SoundBlock

SOUND_TYPES = {
    'audio_common_msgs/msg/AudioData': 'uint8[] data\n',
    'audio_common_msgs/msg/AudioDataStamped': 'std_msgs/Header header\naudio_common_msgs/AudioData audio\n',
}


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


def sound_bag(path: Path, kind: str, samples: np.ndarray, block: int = 1600) -> tuple[Path, int]:
    """Bag of a topic of 16 bit samples at 16 kHz, recorded 5 ms after the end of each block; stamp of the first."""
    bags = pytest.importorskip('builders.bags')
    from rosbags.typesys import get_types_from_msg

    for name, text in SOUND_TYPES.items():
        if name not in bags.ROS2.types:
            bags.ROS2.register(get_types_from_msg(text, name))
    types, messages = bags.ROS2.types, []
    for first in range(0, len(samples), block):
        part = samples[first : first + block]
        data = types['audio_common_msgs/msg/AudioData'](np.rint(part * 32767).astype('<i2').view(np.uint8))
        stamp_ns = bags.EPOCH_NS + round(first * 1e9 / 16000)
        msg = data
        if kind.endswith('Stamped'):
            msg = types[kind](bags.header(stamp_ns), data)
        messages.append((stamp_ns + round(len(part) * 1e9 / 16000) + 5_000_000, msg))
    return bags.write_bag2(path, {'/audio': messages}), bags.EPOCH_NS
