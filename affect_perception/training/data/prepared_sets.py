"""The data sets, and clips with judged levels, as one file of crops and labels: for machines without pictures and dlib.

A zip of npy arrays; each stack of pictures is one lossy WebP mosaic per 2,500 pictures. Made by the first run whose
settings name it (`prepared`), read by the next ones.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.lib.npyio import NpzFile

from affect_perception.errors import ConfigError
from affect_perception.training.data.faces import Faces, Sets
from affect_perception.training.synthetic.morphs import Morphs

QUALITY = 88  # of WebP; grey values are off by 1.7 in the mean
STORED = {'FER+': 48, 'LFW': 72}  # px, side at which the crops of a set are kept; the others as they are
COLUMNS = 50
CLIPS = 'LevelClips'
KINDS = {'faces': Faces, 'morphs': Morphs}


@dataclass(frozen=True, eq=False)
class LevelClip:
    """T frames of one face and the levels judged for some of them."""

    crops: np.ndarray  # (T, S, S) uint8 grey
    gaps_s: np.ndarray  # (T,) float32 seconds since the frame before
    level: np.ndarray  # (T,) 0 to 3, NaN where nobody judged


def write_prepared(
    path: Path, sets: Sets, splits: tuple[str, ...] = ('train', 'val', 'test'), clips: Sequence[LevelClip] = ()
) -> None:
    """Write the given splits of all sets, and clips with judged levels."""
    arrays: dict[str, Any] = {}
    for name, of in sets.items():
        for split, faces in of.items():
            if split not in splits:
                continue
            kind = 'morphs' if isinstance(faces, Morphs) else 'faces'
            for field in dataclasses.fields(faces):
                value = getattr(faces, field.name)
                key = f'{name}/{split}/{kind}/{field.name}'
                if field.name == 'crops':
                    arrays |= _mosaics(key, value, STORED.get(name, value.shape[-1]))
                elif value is not None:
                    arrays[key] = value.astype(np.float16) if field.name == 'coefficients' else value
    for number, clip in enumerate(clips):
        arrays |= _mosaics(f'{CLIPS}/{number}/crops', clip.crops, clip.crops.shape[-1])
        arrays |= {f'{CLIPS}/{number}/gaps_s': clip.gaps_s, f'{CLIPS}/{number}/level': clip.level}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.{os.getpid()}.part')  # several processes of torchrun may write it
    with part.open('wb') as file:
        np.savez_compressed(file, **arrays)
    os.replace(part, path)


def read_prepared(path: Path) -> Sets:
    """Read the sets that `write_prepared` wrote; ConfigError for another file."""
    sets: Sets = {}
    try:
        with np.load(path) as archive:
            for key in sorted({name.rsplit('/crops/', 1)[0] for name in archive.files if '/crops/' in name}):
                if key.startswith(CLIPS):
                    continue
                name, split, kind = key.rsplit('/', 2)
                values = {}
                for field in dataclasses.fields(KINDS[kind]):
                    if field.name == 'crops':
                        values['crops'] = _unpacked(archive, f'{key}/crops')
                    elif f'{key}/{field.name}' in archive.files:
                        value = archive[f'{key}/{field.name}']
                        values[field.name] = value.astype(np.float32) if value.dtype == np.float16 else value
                sets.setdefault(name, {})[split] = KINDS[kind](**values)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ConfigError(f'{path} is no file of prepared sets ({error}); delete it to have it made anew') from None
    if 'Morphs' not in sets:
        raise ConfigError(f'{path} holds no prepared sets; delete it to have it made anew')
    order = ('FER+', 'LFW', 'London', 'Morphs', 'DiffusionFER', 'Portraits')
    return {name: {s: sets[name][s] for s in ('train', 'val', 'test') if s in sets[name]} for name in order}


def read_prepared_clips(path: Path) -> list[LevelClip]:
    """Read the clips with judged levels of a prepared file; none where it is absent or holds none."""
    if not path.is_file():
        return []
    clips: list[LevelClip] = []
    try:
        with np.load(path) as archive:
            while f'{CLIPS}/{len(clips)}/level' in archive.files:
                key = f'{CLIPS}/{len(clips)}'
                clips.append(
                    LevelClip(_unpacked(archive, f'{key}/crops'), archive[f'{key}/gaps_s'], archive[f'{key}/level'])
                )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ConfigError(f'{path} is no file of prepared sets ({error}); delete it to have it made anew') from None
    return clips


def _mosaics(key: str, crops: np.ndarray, stored: int) -> dict[str, np.ndarray]:
    """The arrays under `key` that hold crops (..., S, S) uint8, each kept at `stored` px."""
    flat = crops.reshape(-1, *crops.shape[-2:])
    starts = range(0, len(flat), COLUMNS**2)
    parts = {f'{key}/{k}': _packed(flat[start : start + COLUMNS**2], stored) for k, start in enumerate(starts)}
    return {f'{key}/shape': np.array(crops.shape), **parts}


def _packed(crops: np.ndarray, stored: int) -> np.ndarray:
    """The bytes of a mosaic of (N, S, S) uint8 pictures, each shrunk to `stored` px."""
    if stored != crops.shape[-1]:
        crops = np.stack([cv2.resize(c, (stored, stored), interpolation=cv2.INTER_AREA) for c in crops])
    rows = -(-len(crops) // COLUMNS)
    whole = np.zeros((rows * COLUMNS, stored, stored), np.uint8)
    whole[: len(crops)] = crops
    mosaic = whole.reshape(rows, COLUMNS, stored, stored).swapaxes(1, 2).reshape(rows * stored, COLUMNS * stored)
    return cv2.imencode('.webp', mosaic, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1]


def _unpacked(archive: NpzFile, key: str) -> np.ndarray:
    """The crops under `key`, in the shape that they had."""
    shape, count = tuple(archive[f'{key}/shape']), 0
    parts: list[np.ndarray] = []
    total = int(np.prod(shape[:-2]))
    while count < total:
        mosaic = cv2.imdecode(archive[f'{key}/{len(parts)}'], cv2.IMREAD_GRAYSCALE)
        if mosaic is None:
            raise ValueError(f'{key}/{len(parts)} is no picture')
        stored, here = mosaic.shape[1] // COLUMNS, min(COLUMNS**2, total - count)
        tiles = mosaic.reshape(-1, stored, COLUMNS, stored).swapaxes(1, 2).reshape(-1, stored, stored)[:here]
        if stored != shape[-1]:
            tiles = np.stack([cv2.resize(t, shape[-2:], interpolation=cv2.INTER_LINEAR) for t in tiles])
        parts.append(tiles)
        count += here
    return np.concatenate(parts).reshape(shape)
