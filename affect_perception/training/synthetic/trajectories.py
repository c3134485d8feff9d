"""Trajectories over time: a smile that comes and goes, talking, a moving head, and a camera's uneven frames.

Every course is a function of a random generator and the times of the frames (T,) in seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from affect_perception.types import LEVEL_BOUNDS


class Motion(NamedTuple):
    """Place of the face in the crop of each frame: (T,) turn in degrees, size as a factor, shifts as shares of it."""

    angle: np.ndarray
    scale: np.ndarray
    shift_x: np.ndarray
    shift_y: np.ndarray


def frame_gaps(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(T,) seconds since the frame before: half of the cameras at 30 fps, the rest at 8 to 25; one in five pauses."""
    period = 1 / 30 if rng.random() < 0.5 else 1 / rng.uniform(8, 25)
    gaps = np.full(frames, period) * rng.choice([1, 1, 1, 1, 1, 2], frames)  # a dropped frame now and then
    if rng.random() < 0.2:
        gaps[rng.integers(1, frames)] += rng.uniform(0.2, 1.5)
    return gaps.astype(np.float32)


def smile_course(rng: np.random.Generator, seconds: np.ndarray) -> np.ndarray:
    """(T,) fraction from neutral (0) to the full smile (1): onsets of 0.15 to 0.9 s, an apex, slower offsets.

    Durations follow what is known of posed and spontaneous smiles (Schmidt et al. 2006: onsets of about half a second,
    offsets longer); an apex is partial more often than not, and one course in six stays neutral.
    """
    course = np.zeros(len(seconds))
    if rng.random() < 1 / 6:
        return course
    now = seconds[0] - rng.uniform(-1.2, 2.5)  # the first smile may have begun before the film does
    while now < seconds[-1]:
        apex = 1.0 if rng.random() < 0.45 else rng.uniform(0.1, 1.0)
        onset, hold, offset = rng.uniform(0.15, 0.9), rng.uniform(0.1, 3.0), rng.uniform(0.25, 1.8)
        up, down = (seconds - now) / onset, (now + onset + hold + offset - seconds) / offset
        course = np.maximum(course, apex * eased(np.minimum(up, down)))
        now += onset + hold + offset + rng.uniform(0.2, 2.0)
    return course


def speech_course(rng: np.random.Generator, seconds: np.ndarray) -> np.ndarray:
    """(T,) opening of the mouth in [0, 1]: syllables at 2 to 6 Hz (Chandrasekaran et al. 2009), in phrases."""
    rate, phase, loudness = rng.uniform(2, 6), rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
    syllables = np.maximum(np.sin(2 * np.pi * rate * seconds + phase + 0.8 * np.sin(1.7 * seconds)), 0)
    begin, length = rng.uniform(seconds[0] - 0.5, seconds[-1]), rng.uniform(0.5, 3.0)
    phrase = eased(np.minimum(seconds - begin, begin + length - seconds) / 0.15)
    return loudness * syllables * phrase


def eased(x: np.ndarray) -> np.ndarray:
    """Smoothly from 0 at x ≤ 0 to 1 at x ≥ 1."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def motion(rng: np.random.Generator, seconds: np.ndarray, strength: float = 1.0) -> Motion:
    """A head that sways and nods, in a box that jumps a little at each detection and trembles in between."""

    def course(lasting: float, sway: float, jump: float) -> np.ndarray:
        drift = sum(
            rng.normal() * np.sin(2 * np.pi * rng.uniform(0.1, 0.9) * seconds + rng.uniform(0, 6.3)) for _ in range(2)
        )
        detections = np.cumsum(rng.random(len(seconds)) < 0.1)
        return strength * (
            lasting * rng.normal()
            + sway * drift
            + jump * rng.normal(size=detections[-1] + 1)[detections]
            + 0.1 * jump * rng.normal(size=len(seconds))
        )

    size = np.exp(course(0.08, 0.015, 0.02))
    return Motion(course(5.0, 2.0, 0.7), size, course(0.03, 0.012, 0.01), course(0.03, 0.012, 0.01))


def level_of(fraction: np.ndarray) -> np.ndarray:
    """Smile level 0 to 3 of fractions of the way."""
    return np.digitize(fraction, LEVEL_BOUNDS, right=True)
