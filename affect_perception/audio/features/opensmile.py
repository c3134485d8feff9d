"""Low-level descriptors of openSMILE (Eyben et al. 2010): ComParE 2016 (65) and eGeMAPS v01b (23).

openSMILE is an optional package that is free for research only. Its engine reads the samples as they come, so that a
stream gives the rows of the whole file, filters with memory (RASTA) included.
"""

from __future__ import annotations

import logging
import warnings
import weakref
from typing import Any

import numpy as np

from affect_perception.audio.features.opensmile_engine import Engine
from affect_perception.core.sound import RATE
from affect_perception.errors import ConfigError

log = logging.getLogger(__name__)
SETS = {'compare65': 'ComParE_2016', 'egemaps': 'eGeMAPSv01b'}
# 88, 1582, 6373 and 988 numbers; IS10 is that of the INTERSPEECH 2010 challenge, as in emobase2010.
FUNCTIONALS = {'egemaps': 'eGeMAPSv01b', 'is10': 'IS10', 'compare': 'ComParE_2016', 'emobase': 'emobase'}


class OpenSmile:
    """Extractor `compare65` or `egemaps`; ConfigError where opensmile is not installed."""

    window = 960  # samples of the longest windows, 60 ms

    def __init__(self, name: str) -> None:
        self._set = make_smile(SETS[name], 'LowLevelDescriptors')
        self.names = tuple(self._set.feature_names)
        self._engine: Engine | None = None
        self._end: weakref.finalize | None = None
        self._cpu_s = 0.0  # of engines that have ended

    @property
    def cpu_s(self) -> float:
        """CPU time of openSMILE's threads."""
        return self._cpu_s + (self._engine.cpu_s if self._engine is not None else 0.0)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Add samples (N,) float32 in [-1, 1]; rows (T, F) float32 that they complete, undefined values as 0."""
        if self._engine is None:
            self._engine = Engine(self._set)
            # Also at the end of the program: the interpreter aborts on a thread that is within the engine by then.
            self._end = weakref.finalize(self, self._engine.end)
        self._engine.feed(samples)
        return self._joined(self._engine.take())

    def finish(self) -> np.ndarray:
        """Rows (T, F) that were still to come; the next samples begin a new sound."""
        engine, self._engine = self._engine, None
        if engine is None or self._end is None:
            return self._joined([])
        self._end()
        self._cpu_s += engine.cpu_s
        return self._joined(engine.take())

    def _joined(self, rows: list[np.ndarray]) -> np.ndarray:
        return np.nan_to_num(np.stack(rows)) if rows else np.zeros((0, len(self.names)), np.float32)


def make_smile(name: str, level: str) -> Any:
    """opensmile.Smile of a feature set at a level, `LowLevelDescriptors` or `Functionals`; logs its licence."""
    try:
        import opensmile
    except ImportError:
        raise ConfigError(
            f"audio features {name!r} need openSMILE, which is free for research only: pip install 'affect-perception"
            "[opensmile]'; the default `logmel` needs nothing further"
        ) from None
    log.warning('openSMILE is free for research only (audEERING research licence)')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it recommends v02; the papers here used v01
        return opensmile.Smile(
            feature_set=getattr(opensmile.FeatureSet, name),
            feature_level=getattr(opensmile.FeatureLevel, level),
            sampling_rate=RATE,
            num_workers=1,
        )
