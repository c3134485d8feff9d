"""Records of sound: blocks of samples, and frames of acoustic features. Times are integer ns of the samples' stamps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from affect_perception.errors import BadInputError

RATE = 16_000  # Hz, of all sound that features are computed of
HEARD_AHEAD_NS = 200_000_000  # of sound after an image is taken with it where it is known: some mouths move before it


@dataclass(frozen=True, eq=False)
class SoundBlock:
    """Consecutive samples of one source; `stamp_ns` is the time of the first one.

    `samples` (N, C) float32 in [-1, 1], read-only, C channels at `rate` Hz. BadInputError `sound` for other arrays.
    """

    stamp_ns: int
    samples: np.ndarray
    rate: int

    def __post_init__(self) -> None:
        x = self.samples
        if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 2 or not x.shape[1] or self.rate <= 0:
            given = f'{x.dtype} {x.shape}' if isinstance(x, np.ndarray) else type(x).__name__
            raise BadInputError('sound', f'{given} at {self.rate} Hz; wanted (N, C) float32 samples and a rate above 0')
        view = x.view()
        view.flags.writeable = False
        object.__setattr__(self, 'samples', view)

    @property
    def duration_s(self) -> float:
        """Duration in s by the nominal rate."""
        return len(self.samples) / self.rate

    @property
    def end_ns(self) -> int:
        """Time of the sample after the last one."""
        return self.stamp_ns + round(self.duration_s * 1e9)

    def shifted(self, by_ns: int) -> SoundBlock:
        """Copy that was taken `by_ns` later."""
        return replace(self, stamp_ns=self.stamp_ns + by_ns)

    def stamped(self, end_ns: int) -> SoundBlock:
        """Copy whose last sample was taken at `end_ns`."""
        return SoundBlock(end_ns - round(self.duration_s * 1e9), self.samples, self.rate)


@dataclass(frozen=True, eq=False)
class AudioFeatures:
    """Acoustic features of an interval of sound: `values` (F, A) float32, row i at `stamp_ns` + i · `period_s`.

    `names` are those of the A columns; the time of a row is the middle of its window. `speech`: the interval contains
    speech. `functionals`: rows are statistics of the seconds before their stamps, not of windows. BadInputError `audio`
    for arrays of another shape and for a period that is not positive.
    """

    stamp_ns: int
    period_s: float
    names: tuple[str, ...]
    values: np.ndarray
    speech: bool = False
    functionals: bool = False

    def __post_init__(self) -> None:
        values = self.values
        fits = isinstance(values, np.ndarray) and values.dtype.kind == 'f' and values.ndim == 2
        if not fits or values.shape[1] != len(self.names):
            given = f'{values.dtype} {values.shape}' if isinstance(values, np.ndarray) else type(values).__name__
            raise BadInputError('audio', f'AudioFeatures.values is {given}; wanted float (F, {len(self.names)})')
        if not 0 < self.period_s < math.inf:
            raise BadInputError('audio', f'period of audio features is {self.period_s} s; wanted more than 0')
        view = values.view()
        view.flags.writeable = False
        object.__setattr__(self, 'values', view)

    def shifted(self, by_ns: int) -> AudioFeatures:
        """Copy whose sound was taken `by_ns` later."""
        return replace(self, stamp_ns=self.stamp_ns + by_ns)

    @property
    def end_ns(self) -> int:
        """Time at which the next row is due."""
        return self.stamp_ns + round(len(self.values) * self.period_s * 1e9)

    def column(self, name: str) -> np.ndarray:
        """Values (F,) of one feature; BadInputError `audio` without it."""
        try:
            values: np.ndarray = self.values[:, self.names.index(name)]
        except ValueError:
            raise BadInputError('audio', f'no audio feature {name!r}; given: {", ".join(self.names)}') from None
        return values


def stacked_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Names of `count` consecutive rows as one, the oldest first: a[-1], b[-1], a[0], b[0]."""
    return tuple(f'{name}[{place}]' for place in range(1 - count, 1) for name in names)


def stacked(stamps_ns: np.ndarray, rows: np.ndarray, count: int, period_s: float) -> np.ndarray:
    """Each of the rows (F, A) beside the `count` - 1 before it (F, count · A); NaN where these are absent."""
    found = np.full((len(rows), count * rows.shape[1]), np.nan, np.float32)
    if len(rows) >= count:
        found[count - 1 :] = np.concatenate([rows[k : len(rows) - count + 1 + k] for k in range(count)], 1)
        span_ns = stamps_ns[count - 1 :] - stamps_ns[: len(rows) - count + 1]
        found[count - 1 :][span_ns > (count - 0.5) * period_s * 1e9] = np.nan  # a gap lies between
    return found


def samples_of(data: bytes | np.ndarray, sample_format: str, channels: int) -> np.ndarray:
    """Decode interleaved PCM, little endian, to (N, channels) float32 in [-1, 1].

    `sample_format`: U8, S16LE, S24LE, S24_32LE, S32LE, F32LE or F64LE. BadInputError `sound_format` for another one, or
    bytes that are no whole number of samples.
    """
    raw = np.frombuffer(bytes(data) if not isinstance(data, np.ndarray) else np.ascontiguousarray(data), np.uint8)
    kinds = {'U8': 1, 'S16LE': 2, 'S24LE': 3, 'S24_32LE': 4, 'S32LE': 4, 'F32LE': 4, 'F64LE': 8}
    name = sample_format.upper()
    if name not in kinds or channels < 1:
        raise BadInputError(
            'sound_format', f'{sample_format!r} with {channels} channels; wanted one of {", ".join(kinds)}, 1 or more'
        )
    if len(raw) % (kinds[name] * channels):
        raise BadInputError(
            'sound_format', f'{len(raw)} bytes are no whole number of {channels}-channel {name} samples'
        )
    if name == 'U8':
        values = (raw.astype(np.float32) - 128) / 128
    elif name == 'S24LE':
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = raw.reshape(-1, 3)
        values = wide.view('<i4')[:, 0].astype(np.float32) / 2**31
    elif name == 'S24_32LE':  # the low three bytes of four
        values = (raw.view('<i4') << 8).astype(np.float32) / 2**31
    elif name.startswith('S'):
        bits = 8 * kinds[name]
        values = raw.view(f'<i{kinds[name]}').astype(np.float32) / 2 ** (bits - 1)
    else:
        values = raw.view(f'<f{kinds[name]}').astype(np.float32)
    return values.reshape(-1, channels)
