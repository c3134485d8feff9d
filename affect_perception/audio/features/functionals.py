"""openSMILE's functionals of the last seconds of a stream, for clip networks: live and offline the same numbers.

A row every `period_s` of sound, of the `window_s` before it; of what there is at the start, and after a gap.
"""

from __future__ import annotations

import logging

import numpy as np

from affect_perception.audio.features.opensmile import FUNCTIONALS, make_smile
from affect_perception.core.sound import RATE, AudioFeatures
from affect_perception.errors import ConfigError

log = logging.getLogger(__name__)
SUFFIX = '_functionals'
WINDOW_S, PERIOD_S = 4.0, 1.0


class FunctionalStream:
    """Functionals of the set `name` of FUNCTIONALS; ConfigError for another, or where openSMILE is not installed."""

    def __init__(self, name: str, window_s: float = WINDOW_S, period_s: float = PERIOD_S) -> None:
        if name not in FUNCTIONALS:
            raise ConfigError(f'no functionals {name!r}; choose one of: {", ".join(FUNCTIONALS)}')
        self._smile = make_smile(FUNCTIONALS[name], 'Functionals')
        self.names: tuple[str, ...] = tuple(self._smile.feature_names)
        self._window, self._period = round(window_s * RATE), round(period_s * RATE)
        self._ready: list[AudioFeatures] = []
        self._clear()

    def _clear(self) -> None:
        self._buffer = np.zeros(0, np.float32)
        self._count = self._rows = 0  # samples and rows since the last gap
        self._end_ns, self._sample_ns = 0, 1e9 / RATE

    def push(self, stamp_ns: int, sample_ns: float, samples: np.ndarray, gap: bool) -> None:
        """Add 16 kHz samples (N,), the first one taken at a stamp, one every `sample_ns`."""
        if gap:
            self._clear()
        self._buffer = np.concatenate([self._buffer, samples])
        self._count += len(samples)
        self._end_ns, self._sample_ns = round(stamp_ns + len(samples) * sample_ns), sample_ns
        while self._count >= (self._rows + 1) * self._period:
            self._rows += 1
            after = self._count - self._rows * self._period  # samples behind the end of the row
            self._add(after)
        self._buffer = self._buffer[max(len(self._buffer) - self._window - self._period, 0) :]

    def _add(self, after: int) -> None:
        end = len(self._buffer) - after
        values = self._smile.process_signal(self._buffer[max(end - self._window, 0) : end], RATE).to_numpy(np.float32)
        stamp_ns = self._end_ns - round(after * self._sample_ns)
        period_s = self._period * self._sample_ns * 1e-9
        self._ready.append(AudioFeatures(stamp_ns, period_s, self.names, np.nan_to_num(values), functionals=True))

    def finish(self) -> None:
        """End the sound: one that is too short for a row gets one of all its samples."""
        if not self._rows and self._count:
            self._add(0)

    def take(self) -> list[AudioFeatures]:
        """Rows that became ready since the last call, each by itself."""
        ready, self._ready = self._ready, []
        return ready
