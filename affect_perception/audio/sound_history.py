"""Energy and voicing of the last seconds of sound, by stamp, from the rows of any extractor."""

from __future__ import annotations

import numpy as np

from affect_perception.core.sound import AudioFeatures
from affect_perception.errors import BadInputError

KEPT_S = 10.0
FLOOR_DB = -70.0  # quieter sound is silence, whatever the noise
ABOVE_NOISE_DB = 10.0  # over the noise floor from which sound is a voice, if it is voiced or speech
_RESTART_S = 5.0  # sound this much before the newest is of a recording that restarts
# Column of the energy, how it becomes dB, and column of the pitch (0 where unvoiced), per extractor.
_COLUMNS = (
    ('energy_db', 1.0, 'f0_hz'),
    ('pcm_RMSenergy_sma', 0.0, 'F0final_sma'),
    ('Loudness_sma3', 0.0, 'F0semitoneFrom27.5Hz_sma3nz'),
)


class SoundHistory:
    """Rows of the last `KEPT_S` s: `stamps` (N,) int64 ns, `energy` (N,) dB, `voiced` (N,) and `speech` (N,) bool."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Drop all rows."""
        self.stamps = np.zeros(0, np.int64)
        self.energy = np.zeros(0, np.float32)
        self.voiced = self.speech = np.zeros(0, bool)

    def put(self, features: AudioFeatures) -> None:
        """Add rows; overlapping ones are dropped. BadInputError `audio` for features without energy and pitch."""
        energy, f0 = energy_and_pitch(features)
        stamps = features.stamp_ns + np.round(np.arange(len(energy)) * features.period_s * 1e9).astype(np.int64)
        if len(self.stamps) and len(stamps):
            if self.stamps[-1] - stamps[-1] > _RESTART_S * 1e9:
                self.clear()
            else:
                fresh = stamps > self.stamps[-1]
                stamps, energy, f0 = stamps[fresh], energy[fresh], f0[fresh]
        oldest = stamps[-1] - round(KEPT_S * 1e9) if len(stamps) else 0
        kept = self.stamps >= oldest
        self.stamps = np.concatenate([self.stamps[kept], stamps])
        self.energy = np.concatenate([self.energy[kept], energy])
        self.voiced = np.concatenate([self.voiced[kept], f0 > 0])
        self.speech = np.concatenate([self.speech[kept], np.full(len(stamps), features.speech)])

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest row, None without any."""
        return int(self.stamps[-1]) if len(self.stamps) else None

    @property
    def noise_db(self) -> float:
        """Noise floor: the tenth percentile of the energy, at least `FLOOR_DB` and at most 25 dB under the loudest."""
        if not len(self.energy):
            return FLOOR_DB
        floor = min(float(np.percentile(self.energy, 10)), float(self.energy.max()) - 25.0)
        return max(floor, FLOOR_DB)

    def within(self, begin_ns: int, end_ns: int) -> slice:
        """Rows with begin < stamp <= end."""
        low, high = np.searchsorted(self.stamps, (begin_ns, end_ns), 'right')
        return slice(int(low), int(high))

    def is_voice(self, rows: slice) -> np.ndarray:
        """Whether each of the rows (N,) is louder than the noise and voiced or in an interval of speech."""
        loud = self.energy[rows] > self.noise_db + ABOVE_NOISE_DB
        return loud & (self.voiced[rows] | self.speech[rows])


def energy_and_pitch(features: AudioFeatures) -> tuple[np.ndarray, np.ndarray]:
    """Energy in dB (F,) and pitch (F,), 0 where unvoiced; BadInputError `audio` for features without them."""
    for energy, in_db, pitch in _COLUMNS:
        if energy in features.names and pitch in features.names:
            values = np.nan_to_num(features.column(energy).astype(np.float32), nan=0.0 if not in_db else -100.0)
            f0 = np.nan_to_num(features.column(pitch))
            return (values if in_db else 20 * np.log10(np.maximum(values, 1e-5)), f0)
    raise BadInputError(
        'audio', 'audio features without energy and pitch; wanted those of logmel, compare65 or egemaps'
    )
