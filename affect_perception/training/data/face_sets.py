"""The four data sets as arrays in memory: grey crops, framed and sized as the live tracker does, and their targets.

Splits are the given ones (person-disjoint where persons are known); nothing here moves a picture between them. Terms of
each set stand in TERMS and travel with the weights.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from affect_perception.errors import ConfigError
from affect_perception.models.smile_va import EXPRESSIONS
from affect_perception.training.data.faces import CIRCUMPLEX, SURE, Faces, Sets, affect_of, class_votes
from affect_perception.training.data.level_clips import level_clips_of
from affect_perception.training.data.prepared_sets import read_prepared, write_prepared
from affect_perception.training.data.set_readers import (
    DIFFUSIONFER_NAMES,
    HAPPY,
    LFW_BOX_MARGIN,
    OTHER,
    SPLITS,
    read_diffusionfer,
    read_ferplus,
    read_lfw,
    read_london,
    read_morphs,
    read_portraits,
)
from affect_perception.training.settings import TrainingSettings

__all__ = [
    'CIRCUMPLEX',
    'DIFFUSIONFER_NAMES',
    'EXPRESSIONS',
    'HAPPY',
    'LFW_BOX_MARGIN',
    'OTHER',
    'SPLITS',
    'SURE',
    'TERMS',
    'Faces',
    'Sets',
    'affect_of',
    'class_votes',
    'data_hashes',
    'load_sets',
]

TERMS = {
    'FER+': 'labels MIT (Barsoum et al. 2016, Microsoft); FER2013 images web-scraped, for research',
    'LFW expressions': 'press photographs (mostly Labeled Faces in the Wild, Huang et al. 2007), for research',
    'London': 'CC-BY 4.0, DeBruine & Jones (2017), Face Research Lab London Set, doi:10.6084/m9.figshare.5047666',
    'DiffusionFER': 'CC0 1.0, synthetic faces; origin of the valence and arousal numbers undocumented',
    'Portraits': 'CC0 1.0, synthetic faces (Stable Diffusion 3)',
    'teacher': "strength labels by MediaPipe's Face Landmarker (Google, Apache-2.0), in training only",
}


def load_sets(settings: TrainingSettings, progress: Callable[[str], None] = lambda _: None) -> Sets:
    """All splits of all sets; ConfigError where one is missing or unreadable."""
    if settings.prepared and Path(settings.prepared).is_file():
        sets = read_prepared(Path(settings.prepared))
        for name, of in sets.items():
            progress(f'{name}: ' + ', '.join(f'{len(faces)} {split}' for split, faces in of.items()))
        return sets
    root = Path(settings.data)
    if not root.is_dir():
        raise ConfigError(
            f'no data folder {root.resolve()}; start in the repository root with the sets in ../shared/data, '
            'or set `data` in the training file'
        )
    readers: dict[str, tuple[Callable[[Path, TrainingSettings], dict[str, Any]], str]] = {
        'FER+': (read_ferplus, settings.ferplus),
        'LFW': (read_lfw, settings.lfw),
        'London': (read_london, settings.london),
        'Morphs': (read_morphs, settings.london),
        'DiffusionFER': (read_diffusionfer, settings.diffusionfer),
        'Portraits': (read_portraits, settings.portraits),
    }
    sets = {}
    for name, (reader, file) in readers.items():
        path = root / file
        if not path.exists():
            raise ConfigError(
                f'the {name} set is not at {path.resolve()}; put it there or set `{name.lower().rstrip("+")}`'
            )
        try:
            sets[name] = reader(path, settings)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ConfigError(f'cannot read the {name} set at {path.resolve()}: {error}') from None
        progress(f'{name}: ' + ', '.join(f'{len(faces)} {split}' for split, faces in sets[name].items()))
    if settings.prepared:
        write_prepared(Path(settings.prepared), sets, clips=level_clips_of(settings))
    return sets


def data_hashes(settings: TrainingSettings) -> dict[str, str]:
    """SHA-256 of each set as it lies on disk; of the prepared file where the sets are absent.

    That of a folder is of its files, in the order of their names.
    """
    if settings.prepared and not Path(settings.data).is_dir():
        return {'prepared': hashlib.sha256(Path(settings.prepared).read_bytes()).hexdigest()}
    hashes = {}
    for name in (settings.ferplus, settings.lfw, settings.london, settings.diffusionfer, settings.portraits):
        path, digest = Path(settings.data) / name, hashlib.sha256()
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
        hashes[name] = digest.hexdigest()
    return hashes
