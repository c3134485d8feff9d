"""Extractors of acoustic features behind one interface; `open_extractor` makes one by name.

An extractor maps 16 kHz mono samples to one row per `HOP` samples (10 ms), row k of the window that begins at sample
k · HOP. `logmel` is the default; `compare65` and `egemaps` are openSMILE's, whose licence allows research only.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from affect_perception.errors import ConfigError

HOP = 160  # samples between two rows: 10 ms
NAMES = ('logmel', 'compare65', 'egemaps')


class Extractor(Protocol):
    """Streaming features of windows of `window` samples, HOP apart; rows come in order, maybe some calls later."""

    names: tuple[str, ...]
    window: int

    @property
    def cpu_s(self) -> float:
        """CPU time of threads of its own."""

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Add samples (N,) float32; the rows (T, F) float32 that are ready, T may be 0."""

    def finish(self) -> np.ndarray:
        """Rows (T, F) that were still to come; the next samples begin a new sound."""


def open_extractor(name: str) -> Extractor:
    """Extractor of a name of NAMES; ConfigError for another, or where openSMILE is not installed."""
    if name == 'logmel':
        from affect_perception.audio.features.logmel import LogMel

        return LogMel()
    if name in NAMES:
        from affect_perception.audio.features.opensmile import OpenSmile

        return OpenSmile(name)
    raise ConfigError(f'no audio features {name!r}; choose one of: {", ".join(NAMES)}')
