"""Laughter in the sound: short voiced bursts of even spacing, after the acoustics of Bachorowski et al. 2001.

Laughs are bursts of 50 to 150 ms, four to six a second; syllables of speech are as frequent, but longer than the pauses
between them and uneven.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from affect_perception.audio.sound_history import SoundHistory
from affect_perception.types import AffectFrame

_WINDOW_NS = 1_000_000_000
SPEAKS = 0.5  # `speaking` from which the voice is that face's
DIP_DB = 9.0  # between two bursts
PERIOD_S = (0.13, 0.32)  # between two bursts
FEWEST = 3  # bursts in the window
LARGEST_DUTY = 0.55  # share of time within 10 dB of the bursts; of generated speech 0.6 to 0.74
LARGEST_SPREAD = 0.18  # standard deviation of the periods over their mean; speech has more


def laughter(sound: SoundHistory, stamp_ns: int) -> float:
    """Whether the second before a stamp has the voiced bursts of a laugh: 0 or 1."""
    rows = sound.within(stamp_ns - _WINDOW_NS, stamp_ns)
    if rows.stop - rows.start < 30:
        return 0.0
    energy = np.convolve(sound.energy[rows], np.full(3, 1 / 3), 'same')[1:-1]
    voice = sound.voiced[rows][1:-1]
    seconds = (sound.stamps[rows][1:-1] - sound.stamps[rows][1]) * 1e-9
    peaks = bursts(energy, sound.noise_db + 15.0)
    peaks = peaks[[bool(voice[max(p - 3, 0) : p + 4].any()) for p in peaks]] if len(peaks) else peaks
    if len(peaks) < FEWEST:
        return 0.0
    periods = np.diff(seconds[peaks])
    even = periods.std() / periods.mean() <= LARGEST_SPREAD
    fits = PERIOD_S[0] <= periods.min() and periods.max() <= PERIOD_S[1]
    between = slice(int(peaks[0]), int(peaks[-1]))
    duty = float(np.mean(energy[between] > energy[peaks].mean() - 10.0))
    return float(even and fits and duty <= LARGEST_DUTY)


def with_laughter(affect: AffectFrame, sound: SoundHistory) -> AffectFrame:
    """Copy of results with `laughter` for the faces whose `speaking` is known: 1 for one that speaks in bursts."""
    if not any(math.isfinite(face.speaking) for face in affect.faces):
        return affect
    heard = laughter(sound, affect.stamp_ns)
    faces = (
        replace(f, laughter=heard * (f.speaking >= SPEAKS)) if math.isfinite(f.speaking) else f for f in affect.faces
    )
    return replace(affect, faces=tuple(faces))


def bursts(energy: np.ndarray, least_db: float) -> np.ndarray:
    """Indices of the peaks of an energy (N,) in dB above `least_db`, with dips of `DIP_DB` between two of them."""
    found: list[int] = []
    best = low = -1
    for i, value in enumerate(energy):
        if best < 0:
            if low < 0 or value < energy[low]:
                low = i
            if value >= least_db and value >= energy[low] + DIP_DB:
                best = i
        elif value > energy[best]:
            best = i
        elif value <= energy[best] - DIP_DB:
            found.append(best)
            best, low = -1, i
    return np.array(found, int)
