"""WAV file of a stream of 16 kHz mono sound, in which gaps are silence."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from affect_perception.core.sound import RATE
from affect_perception.errors import ConfigError

_LONGEST_GAP_S = 60.0  # a longer gap is cut to this


class WavFile:
    """16 bit PCM; `start_ns` is the stamp of the first sample. ConfigError for a file that exists or cannot be made."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = wave.open(path.open('xb'), 'wb')  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise ConfigError(f'audio_file {path} cannot be made: {error.strerror}; give a new file') from None
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(RATE)
        self.start_ns: int | None = None
        self._end_ns = 0.0

    def write(self, stamp_ns: int, samples: np.ndarray, gap: bool) -> None:
        """Append samples (N,) float32, after silence where a gap precedes them."""
        if self.start_ns is None:
            self.start_ns = stamp_ns
        elif gap and stamp_ns > self._end_ns:
            missing_s = min((stamp_ns - self._end_ns) * 1e-9, _LONGEST_GAP_S)
            self._file.writeframes(bytes(2 * round(missing_s * RATE)))
        self._file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype('<i2').tobytes())
        self._end_ns = stamp_ns + len(samples) * 1e9 / RATE

    def close(self) -> None:
        """Complete the header and close the file."""
        self._file.close()
