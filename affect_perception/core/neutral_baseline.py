"""Personal scale of the smile intensity: relative to the person's own neutral face and own strongest smile so far.

    intensity' = (intensity - neutral) / (1 - neutral)          after `begin` (neutral baseline alone)
    intensity' = (intensity - neutral) / (strongest - neutral)  with `personal`; both clipped to [0, 1]

Neutral is the median intensity of a person's first seconds, or of the seconds after `begin`. The person must have a
neutral face in that time: one who smiles then is read as too serious afterwards, hence off by default. The strongest
smile decays towards what is seen, so that one outlier does not shrink all later smiles for good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median

MAX_NEUTRAL = 0.6  # a larger median is of a smiling face; nothing above it is subtracted
MIN_READINGS = 5  # for a median
MIN_RANGE = 0.3  # of strongest - neutral: a person who hardly moved has no full scale yet
HALF_LIFE_S = 120.0  # of the strongest smile above the current reading


@dataclass
class _Learning:
    until_ns: int
    readings: list[float] = field(default_factory=list)


class NeutralBaseline:
    """Adjusts smile intensities by the neutral intensity of each track; call `adjusted` in order of time."""

    def __init__(self, seconds: float, personal: bool = False) -> None:
        """Learn for `seconds` per person; `personal`: of each new track, not only after `begin`, with its own range."""
        self.seconds, self.personal = seconds, personal
        self._strongest: dict[int, tuple[float, int]] = {}  # track -> intensity, stamp_ns
        self._learning: dict[int, _Learning] = {}
        self._neutral: dict[int, float] = {}

    def begin(self, tracks: list[int], stamp_ns: int) -> None:
        """Learn the neutral intensity of these track ids (anew) from `stamp_ns` on."""
        for track in tracks:
            self._neutral.pop(track, None)
            self._learning[track] = _Learning(stamp_ns + round(self.seconds * 1e9))

    def keep_only(self, tracks: set[int]) -> None:
        """Delete the state of all other track ids."""
        for known in (self._learning, self._neutral, self._strongest):
            for track in known.keys() - tracks:
                del known[track]

    def neutral(self, track: int) -> float:
        """Neutral intensity of a track id in [0, 0.6]; 0 until learnt."""
        return self._neutral.get(track, 0.0)

    def adjusted(self, track: int, intensity: float, stamp_ns: int) -> float:
        """Intensity in [0, 1] relative to the track's neutral; unchanged until that is learnt, and NaN for NaN."""
        if not math.isfinite(intensity):
            return intensity
        if self.personal and track not in self._neutral and track not in self._learning:
            self.begin([track], stamp_ns)
        learning = self._learning.get(track)
        if learning is not None:
            learning.readings.append(intensity)
            if stamp_ns >= learning.until_ns and len(learning.readings) >= MIN_READINGS:
                self._neutral[track] = min(median(learning.readings), MAX_NEUTRAL)
                del self._learning[track]
        neutral = self.neutral(track)
        if self.personal and track in self._neutral:
            top = max(self._strongest_smile(track, intensity, stamp_ns), neutral + MIN_RANGE)
            return min(max((intensity - neutral) / (top - neutral), 0.0), 1.0)
        return min(max((intensity - neutral) / (1 - neutral), 0.0), 1.0) if neutral else intensity

    def _strongest_smile(self, track: int, intensity: float, stamp_ns: int) -> float:
        """Decaying maximum of a track's intensities, updated with the current one."""
        strongest, before_ns = self._strongest.get(track, (intensity, stamp_ns))
        decay = 0.5 ** (max(stamp_ns - before_ns, 0) * 1e-9 / HALF_LIFE_S)
        strongest = float(max(intensity, intensity + (strongest - intensity) * decay))
        self._strongest[track] = (strongest, stamp_ns)
        return strongest
