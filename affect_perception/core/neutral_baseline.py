"""Each person's neutral face, learnt by watching, so that what looks like a smile at rest is not taken for one.

    intensity' = (intensity − neutral) / (1 − neutral), within [0, 1]

Neutral is the median intensity of a person's first seconds, or of the seconds after `begin`. It needs faces that are at
rest then: whoever smiles while it is learnt is read as too serious afterwards, hence off by default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median

HIGHEST = 0.6  # a "neutral" face above this was smiling; nothing above it is subtracted
FEWEST = 5  # readings that a median is believed of


@dataclass
class _Learning:
    until_ns: int
    readings: list[float] = field(default_factory=list)


class NeutralBaseline:
    """`adjusted` is called with every reading of every track, in the order of time; everything else follows."""

    def __init__(self, seconds: float, always: bool = False):
        """`seconds` of watching per person; `always`: of every new person, not only when asked by `begin`."""
        self.seconds, self.always = seconds, always
        self._learning: dict[int, _Learning] = {}
        self._neutral: dict[int, float] = {}

    def begin(self, tracks: list[int], stamp_ns: int) -> None:
        """Learn the neutral face of these tracks (anew) from now on."""
        for track in tracks:
            self._neutral.pop(track, None)
            self._learning[track] = _Learning(stamp_ns + round(self.seconds * 1e9))

    def keep_only(self, tracks: set[int]) -> None:
        """Forget everybody else."""
        for known in (self._learning, self._neutral):
            for track in known.keys() - tracks:
                del known[track]

    def neutral(self, track: int) -> float:
        """The intensity that is this person's neutral, 0 while nothing is known."""
        return self._neutral.get(track, 0.0)

    def adjusted(self, track: int, intensity: float, stamp_ns: int) -> float:
        """The intensity above this person's neutral, in [0, 1]; while it is being learnt, the one that was read."""
        if not math.isfinite(intensity):
            return intensity
        if self.always and track not in self._neutral and track not in self._learning:
            self.begin([track], stamp_ns)
        learning = self._learning.get(track)
        if learning is not None:
            learning.readings.append(intensity)
            if stamp_ns >= learning.until_ns and len(learning.readings) >= FEWEST:
                self._neutral[track] = min(median(learning.readings), HIGHEST)
                del self._learning[track]
        neutral = self.neutral(track)
        return min(max((intensity - neutral) / (1 - neutral), 0.0), 1.0) if neutral else intensity
