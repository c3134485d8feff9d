"""Fundamental frequency by YIN (de Cheveigné & Kawahara 2002): difference function, its cumulative mean, threshold."""

from __future__ import annotations

import math

import numpy as np
from scipy import fft

THRESHOLD = 0.1  # of the normalised difference, step 4 of the paper
_TINY = np.finfo(float).tiny
_SILENCE = 1e-12  # energy of a frame below which nothing is voiced


def yin(frames: np.ndarray, low_hz: float, high_hz: float, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """F0 in Hz (T,) and voicing (T,) in [0, 1] of frames (T, N) float64 at `rate` Hz, searched between the two limits.

    Voicing is 1 minus the normalised difference at the chosen period: 1 for a periodic frame, 0 for silence.
    """
    shortest = math.floor(rate / high_hz)
    longest = min(math.ceil(rate / low_hz), frames.shape[1] - 1)
    d = normalised_difference(frames, shortest, longest)
    trough = np.zeros(d.shape, bool)
    trough[:, 1:-1] = (d[:, 1:-1] < d[:, :-2]) & (d[:, 1:-1] <= d[:, 2:])
    trough[:, -1] = d[:, -1] < d[:, -2]
    trough[:, 0] = d[:, 0] < d[:, 1]
    trough &= d < THRESHOLD
    place = np.where(trough.any(1), trough.argmax(1), d.argmin(1))
    rows = np.arange(len(d))
    inside = (place > 0) & (place < d.shape[1] - 1)
    left, middle, right = (d[rows, np.clip(place + k, 0, d.shape[1] - 1)] for k in (-1, 0, 1))
    curve, slope = left + right - 2 * middle, (right - left) / 2
    good = inside & (np.abs(slope) < np.abs(curve))
    shift = np.where(good, -slope / np.where(good, curve, 1), 0)
    loud = np.sum(frames**2, 1) > _SILENCE
    return rate / (shortest + place + shift), np.where(loud, np.clip(1 - middle, 0, 1), 0)


def normalised_difference(frames: np.ndarray, shortest: int, longest: int) -> np.ndarray:
    """Cumulative mean normalised difference (T, longest - shortest + 1) of frames (T, N) at those lags (eq. 8)."""
    size = frames.shape[1]
    spectrum = fft.rfft(frames, fft.next_fast_len(size + longest + 1, real=True))
    correlation = fft.irfft(spectrum * spectrum.conj())[:, : longest + 1]
    energy = np.cumsum(frames**2, 1)
    lags = np.arange(1, longest + 1)
    difference = 2 * (correlation[:, :1] - correlation[:, 1:]) - energy[:, :longest]
    mean = np.cumsum(difference, 1) / lags
    return difference[:, shortest - 1 :] / (mean[:, shortest - 1 :] + _TINY)
