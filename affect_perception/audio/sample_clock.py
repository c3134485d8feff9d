"""Stamps of samples from sample counts and the stamps of blocks: one clock filtered against the other.

A sound card counts samples with its own crystal, tens of ppm off the clock of the stamps: by counts alone a day drifts
by seconds, by stamps alone every block jitters. A delay-locked loop (Adriaensen 2005, "Using a DLL to filter time")
follows the stamps with the smoothness of the counts.
"""

from __future__ import annotations

import math

BANDWIDTH_HZ = 0.01  # of the loop: jitter above is removed, drift below is followed
GAP_S = 0.05  # a stamp further than this from the prediction is a gap in the sound, or a step of the clock
_FIRST_BAND_HZ = 0.3  # the loop starts with a wider band, which narrows as 1 / time


class SampleClock:
    """Time of every sample of a stream of blocks at a nominal `rate` in Hz.

    `update` gets each block in order and returns the filtered stamp of its first sample, and whether a gap precedes it.
    """

    def __init__(self, rate: float, exact: bool = False) -> None:
        """`exact`: stamps without jitter (of a file) are taken as they are."""
        self.rate = rate
        self._exact = exact
        self._predicted_ns: float | None = None  # stamp of the next block's first sample
        self._period_ns = 1e9 / rate  # of a sample, as the clock of the stamps measures it
        self._followed_s = 0.0

    @property
    def measured_ppm(self) -> float:
        """Deviation of the sample rate from the nominal one by the clock of the stamps, in parts per million."""
        return (1e9 / self.rate / self._period_ns - 1) * 1e6

    @property
    def period_ns(self) -> float:
        """Measured time between two samples in ns."""
        return self._period_ns

    def update(self, stamp_ns: int, samples: int) -> tuple[int, bool]:
        """Filtered stamp in ns of a block's first sample, and true where a gap (or a step back) precedes the block."""
        error_ns = None if self._predicted_ns is None else stamp_ns - self._predicted_ns
        gap = error_ns is not None and abs(error_ns) > GAP_S * 1e9
        if error_ns is None or gap:
            first_ns = float(stamp_ns)
            self._followed_s = 0.0
            self._predicted_ns = first_ns + samples * self._period_ns
            return stamp_ns, gap
        first_ns = self._predicted_ns or 0.0
        if self._exact:
            first_ns = float(stamp_ns)
            self._predicted_ns = first_ns + samples * self._period_ns
            return stamp_ns, False
        duration_s = samples / self.rate
        self._followed_s += duration_s
        band = max(BANDWIDTH_HZ, _FIRST_BAND_HZ / (1 + self._followed_s))
        omega = min(2 * math.pi * band * duration_s, 0.5)
        self._predicted_ns = first_ns + samples * self._period_ns + math.sqrt(2) * omega * error_ns
        if samples:
            self._period_ns += omega * omega * error_ns / samples
        nominal = 1e9 / self.rate
        self._period_ns = min(max(self._period_ns, nominal * 0.999), nominal * 1.001)  # crystals are within 100 ppm
        return round(first_ns), False
