"""Acoustic features of a medium for training: one row per image, in a `.npy`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affect_perception.audio.stream import FeatureStream
from affect_perception.errors import BadInputError
from affect_perception.sources.sound.media import MediaSound

FOLDER = 'audio'  # of the prepared data set
MAX_AGE_S = 0.25  # as live: an older row is no sound of an image


@dataclass(frozen=True, eq=False)
class MediumSound:
    """Rows (F, A) float32 of the sound of a medium at `stamps_ns` (F,) int64 since its first image."""

    name: str  # of its file below the prepared data set
    stamps_ns: np.ndarray
    rows: np.ndarray

    def write(self, times_s: Sequence[float], out: Path) -> None:
        """Write the row of each image (images, A): the last one at or before its time, for the first images the first.

        The array ends with the sound: images after its end have no row.
        """
        at = np.round(np.asarray(times_s, float) * 1e9).astype(np.int64)
        heard = at[at <= self.stamps_ns[-1] + MAX_AGE_S * 1e9] if len(self.rows) else at[:0]
        place = np.clip(np.searchsorted(self.stamps_ns, heard, 'right') - 1, 0, None)
        (out / FOLDER).mkdir(exist_ok=True)
        part = out / f'{self.name}.part'
        with part.open('wb') as file:
            np.save(file, self.rows[place])
        part.replace(out / self.name)


def extract_sound(media: Path, features: str, problems: list[BadInputError]) -> MediumSound:
    """Features of the sound of `media`; blocks that cannot be used go to `problems`. ConfigError without sound."""
    stream = FeatureStream(features, exact=True, speech=False)
    parts = stream.steps(MediaSound(media), problems.append)
    if (last := stream.finish()) is not None:
        parts.append(last)
    stamps = [p.stamp_ns + np.round(np.arange(len(p.values)) * p.period_s * 1e9).astype(np.int64) for p in parts]
    rows = np.concatenate([np.zeros((0, len(stream.extractor.names)), np.float32), *(p.values for p in parts)])
    digest = hashlib.sha256(str(media).encode()).hexdigest()[:8]  # media of equal names in several folders
    return MediumSound(f'{FOLDER}/{media.stem}-{digest}.npy', np.concatenate([np.zeros(0, np.int64), *stamps]), rows)
