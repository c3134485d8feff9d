"""Speech and laughter of the people of a scene: syllables, from which both the moving mouth and the sound are made.

The sound is a chain of vowels by formant synthesis (Klatt 1980, two to four resonances of a pulse train) with bursts of
noise between them; it says nothing, but has pitch, rhythm and spectrum of a voice. Equal events give equal samples.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from affect_perception.sources.scene import espeak

RATE = 16_000  # Hz of the sound
LEVEL = 0.25  # peak of a voice
# Formants in Hz of a, e, i, o, u (Peterson & Barney 1952, means of men), and how far the mouth opens.
VOWELS = (
    ((730, 1090, 2440), 1.0),
    ((530, 1840, 2480), 0.7),
    ((270, 2290, 3010), 0.45),
    ((570, 840, 2410), 0.75),
    ((300, 870, 2240), 0.4),
)
_BANDWIDTHS = (80.0, 100.0, 140.0)


@dataclass(frozen=True)
class SpeechEvent:
    """Speech of `duration_s` from `start_s` on, or laughter: short voiced bursts. `seed` chooses the syllables.

    `words`: speech is that of espeak-ng, ConfigError where it fails; laughter is always generated.
    """

    start_s: float
    duration_s: float
    seed: int = 0
    pitch_hz: float = 130.0
    laugh: bool = False
    words: bool = False

    def mouth(self, since_s: float) -> float:
        """Opening of the mouth in [0, 1] at a time in s since `start_s`."""
        if self.words and not self.laugh:
            return espeak.opening(self.seed, self.duration_s, self.pitch_hz, RATE, since_s)
        return max((s.opening * _bump((since_s - s.start_s) / s.duration_s) for s in syllables(self)), default=0.0)


@dataclass(frozen=True)
class Syllable:
    """One vowel of VOWELS: start in s since that of the event, duration, pitch, loudness and opening in [0, 1]."""

    start_s: float
    duration_s: float
    vowel: int
    pitch_hz: float
    loudness: float
    opening: float


@functools.lru_cache(256)
def syllables(event: SpeechEvent) -> tuple[Syllable, ...]:
    """Syllables of an event: 3.5 to 5.5 a second with a short pause after four to eight; a laugh has 4.5 to 5.5."""
    rng = np.random.default_rng((event.seed, 5))
    found: list[Syllable] = []
    t, word = 0.0, int(rng.integers(4, 9))
    while True:
        period = rng.uniform(0.18, 0.22) if event.laugh else rng.uniform(0.18, 0.28)
        voiced = period * (0.55 if event.laugh else rng.uniform(0.75, 0.9))
        if t + voiced > event.duration_s:
            return tuple(found)
        vowel = 0 if event.laugh else int(rng.integers(len(VOWELS)))
        fall = 1.15 - 0.3 * t / event.duration_s
        pitch = event.pitch_hz * (1.6 if event.laugh else 1.0) * fall * rng.uniform(0.92, 1.12)
        opening = 0.9 if event.laugh else VOWELS[vowel][1] * rng.uniform(0.8, 1.0)
        found.append(Syllable(t, voiced, vowel, pitch, rng.uniform(0.6, 1.0), opening))
        t += period
        word -= 1
        if word == 0 and not event.laugh:
            t += rng.uniform(0.08, 0.16)
            word = int(rng.integers(4, 9))


@functools.lru_cache(64)
def voice(event: SpeechEvent) -> np.ndarray:
    """Samples (N,) float32 of an event at RATE Hz, N = duration · RATE."""
    from scipy.signal import lfilter  # two seconds of CPU time, in a program that may show faces only

    if event.words and not event.laugh:
        return np.float32(LEVEL) * espeak.speech(event.seed, event.duration_s, event.pitch_hz, RATE)
    rng = np.random.default_rng((event.seed, 6))
    out = np.zeros(round(event.duration_s * RATE))
    for syllable in syllables(event):
        sound = _vowel(syllable, rng, breath=0.25 if event.laugh else 0.02)
        first = round(syllable.start_s * RATE)
        sound = sound[: len(out) - first]
        out[first : first + len(sound)] += sound
        if not event.laugh and first > 400:  # a consonant: noise in the 30 ms before the vowel
            burst = rng.normal(size=480) * np.hanning(480) * 0.06 * syllable.loudness
            out[first - 400 : first + 80] += lfilter([1, -0.9], [1], burst)
    return np.float32(LEVEL * np.clip(out, -1, 1))


def _vowel(syllable: Syllable, rng: np.random.Generator, breath: float) -> np.ndarray:
    from scipy.signal import lfilter, sosfilt

    count = round(syllable.duration_s * RATE)
    t = np.arange(count) / count
    pitch = syllable.pitch_hz * (1.06 - 0.12 * t) * (1 + 0.01 * rng.normal())
    phase = np.cumsum(pitch) / RATE
    pulses = np.diff(np.floor(phase), prepend=0.0) * np.sqrt(RATE / syllable.pitch_hz)
    glottis = lfilter([1.0], [1.0, -0.95], pulses + breath * rng.normal(size=count))
    sections = []
    for hz, width in zip(VOWELS[syllable.vowel][0], _BANDWIDTHS, strict=True):
        r, angle = np.exp(-np.pi * width / RATE), 2 * np.pi * hz / RATE
        a1, a2 = -2 * r * np.cos(angle), r * r
        sections.append([1 + a1 + a2, 0, 0, 1, a1, a2])  # gain 1 at 0 Hz
    shaped = sosfilt(np.array(sections), glottis)
    shaped = np.diff(shaped, prepend=0.0)  # radiation at the lips
    envelope = np.array([_bump(x) for x in t])
    return syllable.loudness * envelope * shaped / max(np.abs(shaped).max(), 1e-9)


def _bump(share: float) -> float:
    """Envelope of a syllable: 0 at its ends, 1 in the middle half."""
    if not 0 < share < 1:
        return 0.0
    edge = min(share, 1 - share) / 0.25
    return 1.0 if edge >= 1 else float(0.5 - 0.5 * np.cos(np.pi * edge))
