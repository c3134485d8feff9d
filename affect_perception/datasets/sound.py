"""Acoustic features of a medium for training: all rows of its sound in one `.npz`, in the time of its images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from affect_perception.audio.stream import FeatureStream
from affect_perception.core.sound import AudioFeatures
from affect_perception.errors import BadInputError
from affect_perception.sources.sound.media import MediaSound

FOLDER = 'audio'  # of the prepared data set


def extract_sound(media: Path, features: str, out: Path, problems: list[BadInputError]) -> str:
    """Write the features of `media` to `out`/audio; returns the path of the file below `out`.

    The file holds `stamps_ns` (F,) int64 since the first image, `values` (F, A) float32, `speech` (F,) bool and `names`
    (A,). Blocks that cannot be used go to `problems`. ConfigError for a medium without sound.
    """
    sound, stream = MediaSound(media), FeatureStream(features, exact=True)
    parts: list[AudioFeatures] = stream.steps(sound, problems.append)
    if (last := stream.finish()) is not None:
        parts.append(last)
    count = len(stream.extractor.names)
    stamps = [p.stamp_ns + np.round(np.arange(len(p.values)) * p.period_s * 1e9).astype(np.int64) for p in parts]
    digest = hashlib.sha256(str(media).encode()).hexdigest()[:8]  # media of equal names in several folders
    name = f'{FOLDER}/{media.stem}-{digest}.npz'
    (out / FOLDER).mkdir(exist_ok=True)
    part = out / f'{name}.part'
    with part.open('wb') as file:
        np.savez_compressed(
            file,
            stamps_ns=np.concatenate([np.zeros(0, np.int64), *stamps]),
            values=np.concatenate([np.zeros((0, count), np.float32), *(p.values for p in parts)]),
            speech=np.concatenate([np.zeros(0, bool), *(np.full(len(p.values), p.speech) for p in parts)]),
            names=np.array(stream.extractor.names),
        )
    part.replace(out / name)
    return name
