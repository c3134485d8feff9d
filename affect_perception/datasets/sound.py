"""Acoustic features of a medium for training: one row per image, in a `.npy`.

Names of features: an extractor (`logmel`), one with a number of consecutive rows side by side (`egemaps2`), or a set of
openSMILE's functionals, of 4 s or as many as given (`is10_functionals`, `is10_functionals:2`). All are as live.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from affect_perception.audio.features import NAMES
from affect_perception.audio.features.functionals import PERIOD_S, SUFFIX, WINDOW_S, FunctionalStream
from affect_perception.audio.stream import FeatureStream
from affect_perception.core.sound import stacked, stacked_names
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.sources.sound.media import MediaSound

FOLDER = 'audio'  # of the prepared data set
MAX_AGE_S = 0.25  # as live: an older row is no sound of an image


@dataclass(frozen=True, eq=False)
class MediumSound:
    """Rows (F, A) float32 of the sound of a medium at `stamps_ns` (F,) int64 since its first image."""

    name: str  # of its file below the prepared data set
    stamps_ns: np.ndarray
    rows: np.ndarray
    age_s: float = MAX_AGE_S  # until the row after the last one is missing

    def write(self, times_s: Sequence[float], out: Path) -> None:
        """Write the row of each image (images, A): the last one at or before its time, for the first images the first.

        The array ends with the sound: images after its end have no row.
        """
        at = np.round(np.asarray(times_s, float) * 1e9).astype(np.int64)
        heard = at[at <= self.stamps_ns[-1] + self.age_s * 1e9] if len(self.rows) else at[:0]
        place = np.clip(np.searchsorted(self.stamps_ns, heard, 'right') - 1, 0, None)
        (out / FOLDER).mkdir(exist_ok=True)
        part = out / f'{self.name}.part'
        with part.open('wb') as file:
            np.save(file, self.rows[place])
        part.replace(out / self.name)


class SoundFeatures:
    """Features of a name; `about` is what a prepared set says of them. ConfigError for a name that is none."""

    def __init__(self, name: str) -> None:
        kind, _, window = name.partition(':')
        self.stream, self._count, self.age_s = FeatureStream(speech=False, exact=True), 1, MAX_AGE_S
        if kind.endswith(SUFFIX):
            try:
                window_s = float(window or WINDOW_S)
            except ValueError:
                window_s = 0.0
            if not 0.5 <= window_s <= 60:
                raise ConfigError(f'window {window!r} of {kind}; give seconds from 0.5 to 60, as in {kind}:4')
            self.stream.functionals = FunctionalStream(kind.removesuffix(SUFFIX), window_s)
            self.names, self.age_s = self.stream.functionals.names, 2 * PERIOD_S
            self.about: dict[str, Any] = {'features': kind, 'names': list(self.names), 'window_s': window_s}
            return
        base = kind.rstrip('0123456789')
        if kind not in NAMES and base in NAMES:
            self._count = min(max(int(kind.removeprefix(base)), 1), 100)
        self.stream = FeatureStream(base if self._count > 1 else name, exact=True, speech=False)
        names = self.stream.extractor.names
        self.names = stacked_names(names, self._count) if self._count > 1 else names
        self.about = {'features': name, 'names': list(self.names)}

    def of(self, media: Path, problems: list[BadInputError]) -> tuple[np.ndarray, np.ndarray]:
        """Stamps (F,) int64 and rows (F, A) of the sound of `media`; unusable blocks go to `problems`."""
        stream = self.stream
        parts = stream.steps(MediaSound(media), problems.append)
        if (last := stream.finish()) is not None:
            parts.append(last)
        parts += stream.steps((), problems.append)
        parts = [part for part in parts if part.functionals == (stream.functionals is not None)]
        stamps = [p.stamp_ns + np.round(np.arange(len(p.values)) * p.period_s * 1e9).astype(np.int64) for p in parts]
        width = len(self.names) // self._count
        rows = np.concatenate([np.zeros((0, width), np.float32), *(p.values for p in parts)])
        times = np.concatenate([np.zeros(0, np.int64), *stamps])
        if self._count > 1:
            rows = stacked(times, rows, self._count, parts[0].period_s if parts else 0.01)
            whole = np.isfinite(rows).all(1)
            rows, times = rows[whole], times[whole]
        return times, rows


def extract_sound(media: Path, features: str, problems: list[BadInputError]) -> MediumSound:
    """Features of the sound of `media`; blocks that cannot be used go to `problems`. ConfigError without sound."""
    sound = SoundFeatures(features)
    stamps_ns, rows = sound.of(media, problems)
    digest = hashlib.sha256(str(media).encode()).hexdigest()[:8]  # media of equal names in several folders
    return MediumSound(f'{FOLDER}/{media.stem}-{digest}.npy', stamps_ns, rows, sound.age_s)
