"""Blocks of any rate and channel count to stamped 16 kHz mono, by soxr (HQ)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from affect_perception.audio.sample_clock import SampleClock
from affect_perception.core.sound import RATE, SoundBlock
from affect_perception.errors import BadInputError, ConfigError

_CLIPPED = 0.999  # magnitude of a clipped sample
_CLIPPED_SHARE = 0.01  # of the samples of a block
_LONGEST_BLOCK_S = 60.0


@dataclass(frozen=True, eq=False)
class MonoBlock:
    """Consecutive 16 kHz samples (N,) float32; `first` counts all samples since the last gap, which `gap` marks.

    `stamp_ns` and `period_ns`: time of the first sample and measured time between two.
    """

    stamp_ns: int
    period_ns: float
    samples: np.ndarray
    first: int
    gap: bool


class Resampler:
    """Streaming conversion to 16 kHz mono. `exact`: the stamps have no jitter. ConfigError without soxr."""

    def __init__(self, exact: bool = False) -> None:
        try:
            import soxr
        except ImportError:
            raise ConfigError("sound needs soxr: pip install 'affect-perception[audio]'") from None
        self._soxr: Any = soxr
        self._exact = exact
        self._rate = 0
        self._stream: Any = None
        self._clock = SampleClock(RATE)
        self._start_ns = 0.0  # stamp of output sample 0, corrected with every block
        self._inputs = self._outputs = 0
        self.clipped_blocks = 0

    @property
    def measured_ppm(self) -> float:
        """Deviation of the source's sample rate from its nominal one in ppm."""
        return self._clock.measured_ppm

    def step(self, block: SoundBlock) -> MonoBlock:
        """Next samples at 16 kHz; the filter holds back some milliseconds of each block for the next one.

        BadInputError `sound` for samples that are not finite (the block counts as a gap) and for overlong blocks.
        """
        if block.duration_s > _LONGEST_BLOCK_S:
            raise BadInputError(
                'sound', f'a block of {block.duration_s:.0f} s; wanted at most {_LONGEST_BLOCK_S:.0f} s'
            )
        if not np.isfinite(block.samples).all():
            self._stream = None  # what is missing shows as a gap
            raise BadInputError('sound', 'samples that are not finite (NaN or infinite)')
        if np.mean(np.abs(block.samples) >= _CLIPPED) > _CLIPPED_SHARE:
            self.clipped_blocks += 1
        if block.rate != self._rate:
            self._rate, self._clock, self._stream = block.rate, SampleClock(block.rate, self._exact), None
        stamp_ns, gap = self._clock.update(block.stamp_ns, len(block.samples))
        if gap or self._stream is None:
            fresh = self._stream is None
            self._stream = self._soxr.ResampleStream(block.rate, RATE, 1, dtype='float32', quality='HQ')
            self._inputs = self._outputs = 0
            gap = gap or fresh
        mono = block.samples.mean(1, dtype=np.float32) if block.samples.shape[1] > 1 else block.samples[:, 0]
        out = self._stream.resample_chunk(np.ascontiguousarray(mono))
        period_ns = self._clock.period_ns * block.rate / RATE  # of an output sample
        first_ns = stamp_ns + (self._outputs - self._inputs * RATE / block.rate) * period_ns
        result = MonoBlock(round(first_ns), period_ns, out, self._outputs, gap)
        self._inputs += len(mono)
        self._outputs += len(out)
        return result

    def finish(self) -> np.ndarray:
        """Samples (N,) that the filter still held, at the end of a recording; the next block starts afresh."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        out: np.ndarray = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        self._stream = None
        return out
