"""Audio features of one camera as networks take them: rows matched to images by stamp, normalised, NaN if absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from affect_perception.core.sound import AudioFeatures, stacked, stacked_names
from affect_perception.errors import BadInputError
from affect_perception.models.sequence_model import Inputs

MAX_AGE_S = 0.25  # an older row does not belong to an image: sound is then absent
_FUNCTIONALS = '_functionals'  # end of the name of features that are functionals
_RESTART_S = 5.0  # rows this much before the newest ones are of a recording that restarts; others are repeated rows


@dataclass(frozen=True)
class AudioNeed:
    """Audio features that a network takes, of its checkpoint: how many, over which time, names and statistics.

    `names`, `mean`, `deviation` and `features` (name of the extractor) come from the header entry `audio` and are empty
    where the file has none.
    """

    count: int  # features per row
    steps: str  # `frame`: the row of the image, `free`: all rows of the window, `clip`: functionals of the window
    window_s: float  # s of sound before the image
    names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    features: str = ''

    @classmethod
    def of(cls, inputs: Inputs, header: Mapping[str, Any]) -> AudioNeed | None:
        """Need of a network with `inputs`; None for one without audio."""
        if not inputs.audio:
            return None
        about = header.get('audio') or {}
        names, mean, deviation = (tuple(about.get(name) or ()) for name in ('names', 'mean', 'deviation'))
        window_s, features = inputs.window_s or MAX_AGE_S, str(about.get('features') or '')
        return cls(inputs.audio, inputs.audio_steps, window_s, names, mean, deviation, features)

    @property
    def base(self) -> tuple[tuple[str, ...], str, int]:
        """Names of the columns to receive, how they are used (`rows`, `moments` or `stack`), and of how many rows.

        F0_mean, …, F0_std, … are moments over the window; F0[-1], …, F0[0], … are of consecutive rows, side by side.
        """
        half, names = self.count // 2, self.names
        ends = [name.rpartition('_')[2] for name in names]
        if self.steps == 'clip' and names and ends == ['mean'] * half + ['std'] * half:
            return tuple(name.removesuffix('_mean') for name in names[:half]), 'moments', 1
        newest = tuple(name.removesuffix('[0]') for name in names if name.endswith('[0]'))
        count = len(names) // len(newest) if newest else 1
        if count > 1 and names == stacked_names(newest, count):
            return newest, 'stack', count
        return names, 'rows', 1

    @property
    def functionals(self) -> bool:
        """Whether the network takes openSMILE's functionals, which come as rows of their own."""
        return self.steps == 'clip' and bool(self.names) and self.base[1] == 'rows'

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of `audio_node` that give these features; empty where the checkpoint does not tell."""
        if self.features.endswith(_FUNCTIONALS):
            return {'audio_functionals': self.features.removesuffix(_FUNCTIONALS), 'audio_window_s': self.window_s}
        name = self.features.rstrip('0123456789') if self.base[1] == 'stack' else self.features
        return {'audio_features': name} if name else {}


class AudioBuffer:
    """Newest audio features of one camera, as far back as a network needs them."""

    def __init__(self, need: AudioNeed) -> None:
        self.need = need
        self._names, self._use, self._stack = need.base
        width = {'rows': need.count, 'moments': need.count // 2, 'stack': len(self._names)}[self._use]
        self._stamps = np.zeros(0, np.int64)
        self._rows = np.zeros((0, width), np.float32)
        self._period_s = 0.0

    def put(self, features: AudioFeatures) -> None:
        """Add rows; those that overlap earlier ones are dropped. BadInputError `audio` for other features.

        Functionals are ignored by a network that takes none, and all others by one that takes them.
        """
        if features.functionals != self.need.functionals:
            return
        rows = self._chosen(features)
        stamps = features.stamp_ns + np.round(np.arange(len(rows)) * features.period_s * 1e9).astype(np.int64)
        if len(self._stamps) and len(stamps):
            if self._stamps[-1] - stamps[-1] > _RESTART_S * 1e9:
                self.clear()
            else:
                fresh = stamps > self._stamps[-1]
                rows, stamps = rows[fresh], stamps[fresh]
        self._stamps = np.concatenate([self._stamps, stamps])
        self._rows = np.concatenate([self._rows, rows])
        self._period_s = features.period_s

    def at(self, stamp_ns: int) -> np.ndarray | None:
        """Sound of an image: (A,), for `free` steps (Ta, A); None where there is none. Drops rows no longer needed."""
        # Functionals are computed seldom, and arrive later than the end of their window.
        age_s = 2 * self._period_s if self.need.functionals else MAX_AGE_S
        oldest = self._stamps > stamp_ns - round(max(self.need.window_s, age_s) * 1e9)
        self._stamps, self._rows = self._stamps[oldest], self._rows[oldest]
        heard = int(np.searchsorted(self._stamps, stamp_ns, 'right'))
        if not heard or stamp_ns - self._stamps[heard - 1] > age_s * 1e9:
            return None
        if self._use == 'moments':
            rows = self._rows[:heard]
            known = rows[np.isfinite(rows).all(1)]
            return self._normalised(np.concatenate([known.mean(0), known.std(0)])) if len(known) else None
        if self._use == 'stack':
            last = slice(max(heard - self._stack, 0), heard)
            rows = self._normalised(stacked(self._stamps[last], self._rows[last], self._stack, self._period_s)[-1])
        else:
            rows = self._rows[:heard] if self.need.steps == 'free' else self._rows[heard - 1]
        return rows if np.isfinite(rows).any() else None

    def clear(self) -> None:
        """Drop all rows."""
        self._stamps, self._rows = self._stamps[:0], self._rows[:0]

    def _chosen(self, features: AudioFeatures) -> np.ndarray:
        """The wanted columns (F, A) float32, normalised; rows with NaN or infinity become NaN as a whole."""
        values, count = features.values, self._rows.shape[1]
        if self._names:
            missing = [name for name in self._names if name not in features.names]
            if missing:
                text = f'audio features lack {missing[0]} ({len(missing)} of the {count} wanted)'
                raise BadInputError('audio', f'{text}; give the features that the model was trained with')
            values = values[:, [features.names.index(name) for name in self._names]]
        if values.shape[1] != count:
            raise BadInputError('audio', f'{values.shape[1]} audio features; the model wants {count}')
        values = values.astype(np.float32)
        values = self._normalised(values) if self._use == 'rows' else values
        values[~np.isfinite(values).all(1)] = np.nan
        return values

    def _normalised(self, values: np.ndarray) -> np.ndarray:
        """Features (..., A) by the means and deviations of the checkpoint, as they are where it has none."""
        if not (self.need.mean and self.need.deviation):
            return values
        mean, deviation = np.array(self.need.mean, np.float32), np.array(self.need.deviation, np.float32)
        found: np.ndarray = (values - mean) / np.maximum(deviation, np.float32(1e-6))
        return found


def batch(sounds: list[np.ndarray | None], need: AudioNeed) -> np.ndarray | None:
    """Sound of N faces as one array (N, A) or (N, Ta, A), NaN where absent; None without any sound."""
    if all(sound is None for sound in sounds):
        return None
    rows = max(len(sound) for sound in sounds if sound is not None) if need.steps == 'free' else 0
    shape = (rows, need.count) if need.steps == 'free' else (need.count,)
    out = np.full((len(sounds), *shape), np.nan, np.float32)
    for place, sound in zip(out, sounds, strict=True):
        if sound is not None:
            place[-len(sound) :] = sound
    return out
