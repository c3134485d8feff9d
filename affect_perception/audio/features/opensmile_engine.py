"""One run of openSMILE's engine in a thread of its own: chunks of samples in, rows of descriptors out, in step.

The engine's loop ticks every component once per turn, and each component that has input advances by a frame or more.
Behind every chunk the engine is given pulses, of which one passes per turn (`opensmile_stream.conf`). Once they have
passed, the rows of the chunk are there: which call gives a row depends on the samples only, not on speed.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from affect_perception.audio.features import HOP
from affect_perception.core.sound import RATE
from affect_perception.errors import BadInputError, ConfigError

log = logging.getLogger(__name__)
CHUNK = 10 * HOP  # samples: ten rows
PULSES = 64  # turns per chunk; the last row came after 16 at most, those held back until voicing is decided included
_WAIT_S = 10.0  # until a chunk is used
_END_S = 10.0  # until the engine has finished
_CONFIGS = Path(__file__).parent


class Engine:
    """Engine of an opensmile.Smile, from its start to `end`. ConfigError where its configuration cannot be read."""

    def __init__(self, smile: Any) -> None:
        self._rows: list[np.ndarray] = []
        self._news = threading.Condition()  # guards the rows, the pulses and the failure
        self._pulses = 0  # given to the engine and not yet passed
        self._failure: Exception | None = None
        self.cpu_s = 0.0  # of its thread
        options = smile._options()
        options['source'] = _CONFIGS / 'opensmile_stream.conf'
        options['bufferModeConf'] = _CONFIGS / 'opensmile_ring.conf'
        options |= {'sampleRate': RATE, 'nBits': 16, 'pulses': PULSES}
        try:
            self._smile = smile._smile(options=options)
        except UnicodeEncodeError:
            raise ConfigError(f'openSMILE reads paths of ASCII letters only, not {str(_CONFIGS)!r}') from None
        self._source = _config().EXTERNAL_SOURCE_COMPONENT
        self._smile.external_sink_set_callback_ex(_config().EXTERNAL_OUTPUT_COMPONENT, self._on_row)
        self._smile.external_sink_set_callback_ex('turns', self._on_turns)
        self._thread = threading.Thread(target=self._run, name='openSMILE', daemon=True)
        self._thread.start()

    def feed(self, samples: np.ndarray) -> None:
        """Give samples (N,) float32 in [-1, 1] to the engine and wait until they are used, 10 s per chunk at most."""
        pcm = np.clip(samples * 32768, -32768, 32767).astype(np.int16)
        for first in range(0, len(pcm), CHUNK):
            deadline = time.monotonic() + _WAIT_S
            while not self._smile.external_audio_source_write_data(self._source, pcm[first : first + CHUNK].tobytes()):
                if time.monotonic() > deadline or self._failure is not None:  # its buffer stays full
                    raise BadInputError('openSMILE', 'openSMILE does not keep up with the sound')
                time.sleep(0.005)
            self._wait_until_used(deadline)

    def _wait_until_used(self, deadline: float) -> None:
        with self._news:
            self._pulses += PULSES
        if not self._smile.external_source_write_data('pulses', np.zeros(PULSES, np.float32)):
            with self._news:
                self._pulses -= PULSES  # the engine is far behind
        with self._news:
            done = self._news.wait_for(self._is_used, deadline - time.monotonic())
        if not done:
            log.warning('openSMILE needs more than %.0f s for %.1f s of sound; rows come later', _WAIT_S, CHUNK / RATE)

    def _is_used(self) -> bool:
        return self._pulses <= 0 or self._failure is not None

    def take(self) -> list[np.ndarray]:
        """Rows (F,) float32 since the last call; raises the error that ended the engine."""
        with self._news:
            if self._failure is not None:
                raise self._failure
            rows, self._rows = self._rows, []
        return rows

    def end(self) -> None:
        """Tell the engine that no further samples come, and wait until it has finished, 10 s at most."""
        self._smile.external_source_set_eoi('pulses')
        self._smile.external_audio_source_set_eoi(self._source)
        self._thread.join(_END_S)
        if not self._thread.is_alive():
            self._smile.free()

    def _run(self) -> None:
        try:
            self._smile.run()
        except Exception as error:  # noqa: BLE001 - thread border: raised again in the caller
            with self._news:
                self._failure = error
                self._news.notify_all()
        self.cpu_s = time.thread_time()

    def _on_turns(self, data: np.ndarray, _meta: Any) -> None:
        """Callback of the engine's thread, after as many turns of its loop as `data` has rows."""
        self.cpu_s = time.thread_time()
        with self._news:
            self._pulses -= len(data)
            self._news.notify_all()

    def _on_row(self, data: np.ndarray, _meta: Any) -> None:
        """Callback of the engine's thread for one row; `data` lives only during the call."""
        with self._news:
            self._rows.append(np.array(data, np.float32).reshape(-1))


def _config() -> Any:
    from opensmile.core import config

    return config.config if hasattr(config, 'config') else config
