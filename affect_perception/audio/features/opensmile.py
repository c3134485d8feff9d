"""Low-level descriptors of openSMILE (Eyben et al. 2010): ComParE 2016 (65) and eGeMAPS v01b (23).

openSMILE is an optional package that is free for research only. Its engine runs in a thread and reads the samples as
they come, so that a stream gives the rows of the whole file, filters with memory (RASTA) included. Which call
gives a row depends on how fast the engine is.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
import weakref
from typing import Any

import numpy as np

from affect_perception.core.sound import RATE
from affect_perception.errors import BadInputError, ConfigError

log = logging.getLogger(__name__)
SETS = {'compare65': 'ComParE_2016', 'egemaps': 'eGeMAPSv01b'}
# 88, 1582, 6373 and 988 numbers; IS10 is that of the INTERSPEECH 2010 challenge, as in emobase2010.
FUNCTIONALS = {'egemaps': 'eGeMAPSv01b', 'is10': 'IS10', 'compare': 'ComParE_2016', 'emobase': 'emobase'}
_END_S = 10.0  # until the engine has finished


class OpenSmile:
    """Extractor `compare65` or `egemaps`; ConfigError where opensmile is not installed."""

    window = 960  # samples of the longest windows, 60 ms

    def __init__(self, name: str) -> None:
        self._set = make_smile(SETS[name], 'LowLevelDescriptors')
        self.names = tuple(self._set.feature_names)
        self._rows: list[np.ndarray] = []
        self._lock = threading.Lock()
        self._end: weakref.finalize | None = None
        self._engine: Any = None
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Add samples (N,) float32 in [-1, 1]; rows (T, F) float32 that are ready, undefined values as 0."""
        if self._engine is None:
            self._begin()
        if len(samples):
            pcm = np.clip(np.asarray(samples) * 32768, -32768, 32767).astype(np.int16)
            deadline = time.monotonic() + _END_S
            while not self._engine.external_audio_source_write_data(_config().EXTERNAL_SOURCE_COMPONENT, pcm.tobytes()):
                if time.monotonic() > deadline:  # its buffer stays full
                    raise BadInputError('openSMILE', 'openSMILE does not keep up with the sound')
                time.sleep(0.005)
        return self._ready()

    def finish(self) -> np.ndarray:
        """Rows (T, F) that were still to come."""
        if self._end is not None and self._thread is not None:
            self._end()
            if not self._thread.is_alive():
                self._engine.free()
            self._engine = self._thread = self._end = None
        return self._ready()

    def _begin(self) -> None:
        config, options = _config(), self._set._options()
        options['source'] = os.path.join(self._set.default_config_root, config.EXTERNAL_INPUT_CONFIG)
        options['sampleRate'], options['nBits'] = RATE, 16
        self._engine = engine = self._set._smile(options=options)
        engine.external_sink_set_callback_ex(config.EXTERNAL_OUTPUT_COMPONENT, self._on_row)
        self._thread = threading.Thread(target=self._run, args=(engine,), name='openSMILE', daemon=True)
        self._thread.start()
        # Also at the end of the program: the interpreter aborts on a thread that is within the engine by then.
        self._end = weakref.finalize(self, _end, engine, self._thread)

    def _run(self, engine: Any) -> None:
        try:
            engine.run()
        except Exception as error:  # noqa: BLE001 - thread border: raised again in the caller
            self._failure = error

    def _on_row(self, data: np.ndarray, _meta: Any) -> None:
        """Callback of the engine's thread; its array lives only during the call."""
        with self._lock:
            self._rows.append(np.array(data, np.float32).reshape(-1))

    def _ready(self) -> np.ndarray:
        if self._failure is not None:
            raise self._failure
        with self._lock:
            rows, self._rows = self._rows, []
        return np.nan_to_num(np.stack(rows)) if rows else np.zeros((0, len(self.names)), np.float32)


def _end(engine: Any, thread: threading.Thread) -> None:
    """Tell `engine` that no further samples come, and wait for its `thread`."""
    engine.external_audio_source_set_eoi(_config().EXTERNAL_SOURCE_COMPONENT)
    thread.join(_END_S)


def _config() -> Any:
    from opensmile.core import config

    return config.config if hasattr(config, 'config') else config


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
