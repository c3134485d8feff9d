"""AffectNet (Mollahosseini et al. 2017), both releases: expression, valence and arousal per image.

csv release:  training.csv, validation.csv, with or without a header, columns
              subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal;
              images in Manually_Annotated_Images/ (or Manually_Annotated/, Manually_Annotated_compressed/)
npy release:  train_set/images/N.jpg (224×224 face crops) with train_set/annotations/N_exp.npy, N_val.npy, N_aro.npy,
              and val_set/

Expression: 0 neutral, 1 happiness, 2 sadness, 3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt; 8 none, 9 uncertain
and 10 no face have no expression label. Valence and arousal of -2 mean not labelled. The set names no persons.

Sources: http://mohammadmahoor.com/affectnet/ and the readme of the releases; public loaders: opendr
(AffectNetCategorical) for the columns, hcai_affectnet for the csv release, and loaders of
train_set/annotations/N_exp.npy.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from affect_perception.datasets.adapters.reading import IMAGES, Collector, Row, expression_index, subfolders
from affect_perception.datasets.records import Clip, Listing
from affect_perception.types import Box

_LABELS = ('neutral', 'happiness', 'sadness', 'surprise', 'fear', 'disgust', 'anger', 'contempt')
_COLUMNS = (
    'subdirectory_filepath', 'face_x', 'face_y', 'face_width', 'face_height', 'facial_landmarks', 'expression',
    'valence', 'arousal',
)  # fmt: skip
_IMAGE_FOLDERS = ('', 'Manually_Annotated_Images', 'Manually_Annotated', 'Manually_Annotated_compressed')


def read(src: Path, faces: str = 'auto') -> Listing:
    """List all labelled images of whichever release is in `src`."""
    collect = Collector(src)
    clips = _read_csv(src, collect, faces) + _read_npy(src, collect, faces)
    if clips:
        collect.add('unknown_person', src, 0, f'{len(clips)} images without the names of persons', len(clips))
    elif not collect.found:
        collect.add('no_label_file', src, 0, 'neither training.csv and validation.csv nor train_set and val_set')
    return Listing(tuple(clips), tuple(collect.found), {'expression': _LABELS})


def _values(
    collect: Collector, where: Path, line: int, expression: str, valence: str, arousal: str
) -> dict[str, float] | None:
    """Labels of one image; None, with a finding, where nothing is labelled or a value cannot be used."""
    index = collect.number(where, line, 'expression', expression, 0, 10)
    if index is None:
        return None
    found: dict[str, float] = {}
    if not math.isnan(index) and int(index) < len(_LABELS):
        found['expression'] = float(expression_index(_LABELS[int(index)]) or 0)
    for name, text in (('valence', valence), ('arousal', arousal)):
        value = collect.number(where, line, name, text, -2, 1)
        if value is None:
            return None
        if value >= -1:
            found[name] = value
    if not found:
        collect.add('unlabelled', where, line, 'neither expression nor valence and arousal')
        return None
    return found


def _read_csv(src: Path, collect: Collector, faces: str) -> list[Clip]:
    clips: list[Clip] = []
    skip = _IMAGE_FOLDERS[1:]
    tables = [p for f in subfolders(src, 2, skip) for p in (f / 'training.csv', f / 'validation.csv') if p.is_file()]
    folders = [f / name for f in subfolders(src, 1, skip) for name in _IMAGE_FOLDERS if (f / name).is_dir()]
    for table in tables:
        with table.open(encoding='utf-8', errors='replace') as file:
            named = file.readline().lower().startswith('subdirectory')
        for row in collect.rows(table, _COLUMNS, () if named else _COLUMNS):
            clip = _csv_clip(table, row, folders, collect, faces)
            if clip is not None:
                clips.append(clip)
    return clips


def _csv_clip(table: Path, entry: Row, folders: list[Path], collect: Collector, faces: str) -> Clip | None:
    line, row = entry
    values = _values(collect, table, line, row['expression'], row['valence'], row['arousal'])
    if values is None:
        return None
    name = row['subdirectory_filepath']
    media = next((path for f in folders if (path := f / name).is_file()), None)
    if media is None:
        collect.add('missing_media', table, line, f'no image {name}')
        return None
    numbers = [collect.number(table, line, c, row[c], -1e6, 1e6) for c in _COLUMNS[1:5]]
    sides = [n for n in numbers if n is not None and not math.isnan(n)]
    box = Box(*sides) if len(sides) == 4 and min(sides[2:]) > 0 else None
    split = 'train' if table.stem == 'training' else 'val'
    return Clip(
        f'{split}/{name}', '', split, media, values=values, faces='given' if faces == 'given' else 'detect', box=box,
        label_file=collect.name(table), label_line=line,
    )  # fmt: skip


def _read_npy(src: Path, collect: Collector, faces: str) -> list[Clip]:
    clips: list[Clip] = []
    for split in ('train', 'val', 'test'):
        folder = src / f'{split}_set'
        images = {p.stem: p for p in (folder / 'images').glob('*') if p.suffix in IMAGES}
        for file in sorted((folder / 'annotations').glob('*_exp.npy')):
            stem = file.name.removesuffix('_exp.npy')
            texts = [_npy_text(file.with_name(f'{stem}_{kind}.npy')) for kind in ('exp', 'val', 'aro')]
            values = _values(collect, file, 0, *texts)
            if values is None:
                continue
            if stem not in images:
                collect.add('missing_media', file, 0, f'no image {split}_set/images/{stem}.jpg')
                continue
            kind = 'detect' if faces == 'detect' else 'given'
            clips.append(
                Clip(f'{split}/{stem}', '', split, images[stem], values=values, faces=kind,
                     label_file=collect.name(file))
            )  # fmt: skip
        clips_named = {clip.media.stem for clip in clips if clip.split == split}
        labelled = {p.name.removesuffix('_exp.npy') for p in (folder / 'annotations').glob('*_exp.npy')}
        if without := sorted(set(images) - labelled - clips_named):
            collect.add('no_label_file', images[without[0]], 0, f'{len(without)} images have no _exp.npy', len(without))
    return clips


def _npy_text(path: Path) -> str:
    """Number in a .npy file (the release holds strings and numbers) as text; empty without the file."""
    try:
        return str(np.load(path, allow_pickle=False).item()).strip()
    except (OSError, ValueError):
        return ''
