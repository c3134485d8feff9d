"""Short clips of one person each with smile levels that people judged: they calibrate the scale, and teach nothing.

A folder with `levels.csv` (clip, frame from 0, level) and the clips. The face of each frame is the largest one of
dlib's HOG detector, cut as live faces are; frames without one are left out.
"""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from affect_perception.core.images.crops import face_crop
from affect_perception.errors import ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.training.data.prepared_sets import LevelClip, read_prepared_clips
from affect_perception.training.data.set_readers import largest_face
from affect_perception.training.settings import TrainingSettings

LEVELS = {'neutral': 0, 'low': 1, 'medium': 2, 'high': 3}


def level_clips_of(settings: TrainingSettings) -> list[LevelClip]:
    """The clips that the settings name: of the prepared file if it holds some, else of their folder; none for ''."""
    if not settings.level_clips:
        return []
    kept = read_prepared_clips(Path(settings.prepared)) if settings.prepared else []
    return kept or read_level_clips(Path(settings.data) / settings.level_clips, settings)


def read_level_clips(folder: Path, settings: TrainingSettings) -> list[LevelClip]:
    """All clips that `levels.csv` names; ConfigError for a missing table, clip or level."""
    judged: dict[str, dict[int, int]] = {}
    try:
        with (folder / 'levels.csv').open(newline='') as file:
            for row in csv.DictReader(file):
                judged.setdefault(row['clip'], {})[int(row['frame'])] = LEVELS[row['level']]
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError(
            f'cannot read {folder}/levels.csv ({error}); wanted clip, frame and level, or set `level_clips` to nothing'
        ) from None
    return [_clip(folder / name, levels, settings) for name, levels in judged.items()]


def _clip(path: Path, levels: dict[int, int], settings: TrainingSettings) -> LevelClip:
    from affect_perception.sources import open_source  # video decoders, which prepared clips do not need

    face, crops, stamps, level = largest_face(), [], [], []
    source = open_source(SourceSettings(source=str(path)), lambda _: None)
    for number, frame in enumerate(source):
        box = face(frame.rgb)
        if box is not None:
            crop = face_crop(frame.rgb, box, settings.crop_size, settings.crop_margin)
            crops.append(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY))
            stamps.append(frame.stamp_ns)
            level.append(levels.get(number, np.nan))
    source.close()
    if not crops:
        raise ConfigError(f'no face found in {path}; leave it out of levels.csv')
    seconds = np.array(stamps) / 1e9
    gaps = np.diff(seconds, prepend=seconds[0] - 1 / source.fps)
    return LevelClip(np.stack(crops), np.float32(gaps), np.array(level, float))
