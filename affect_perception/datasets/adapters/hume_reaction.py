"""Hume-Reaction (MuSe 2022, ABAW 5): intensities of seven reactions per clip, in [0, 1].

Layout:

    data_info.csv     File_ID,Adoration,Amusement,Anxiety,Disgust,Empathic-Pain,Fear,Surprise[,Split][,Subject_ID]
    raw/00001.mp4     also mp4/, videos/, train/, val/, test/ or SRC itself

File_ID may be written in brackets, `[00001]`. Without the column Split the file is train.csv, val.csv or test.csv.
Values above 1 are taken as the questionnaire's 1 to 100 and divided by 100. A line with an empty value, -1 or without
all seven is not labelled (the test split).

Sources: Christ et al. 2022, "The MuSe 2022 Multimodal Sentiment Analysis Challenge"; column names, the brackets and the
column Split in public loaders of the ABAW 5 reaction challenge (data_info.csv).
"""

from __future__ import annotations

import math
from pathlib import Path

from affect_perception.datasets.adapters.reading import Collector, Row, find_media, subfolders
from affect_perception.datasets.records import REACTIONS, Clip, Listing

COLUMNS = tuple(name.replace('_', '-') for name in REACTIONS)
_SPLITS = {'train': 'train', 'val': 'val', 'devel': 'val', 'valid': 'val', 'test': 'test'}


def read(src: Path, faces: str = 'auto') -> Listing:  # noqa: ARG001 - this set has videos only
    """List all labelled clips of data_info.csv, or of train.csv, val.csv and test.csv."""
    collect = Collector(src)
    folders = subfolders(src, 2)
    tables = sorted(p for f in folders for p in f.glob('*.csv') if p.stem.lower() in ('data_info', 'labels', *_SPLITS))
    if not tables:
        collect.add('no_label_file', src, 0, 'no data_info.csv, train.csv or val.csv')
    clips: list[Clip] = []
    for table in tables:
        whole = _SPLITS.get(table.stem.lower(), '')
        rows = collect.rows(table, ['file_id', *COLUMNS, *([] if whole else ['split'])])
        scale = 100.0 if _largest(rows) > 1 else 1.0
        if scale > 1:
            collect.add('label_note', table, 1, 'values above 1: taken as 1 to 100 and divided by 100')
        found = [_clip(table, row, whole, scale, folders, collect) for row in rows]
        clips += [clip for clip in found if clip is not None]
    if clips and not any(clip.person for clip in clips):
        collect.add('unknown_person', tables[0], 1, f'no column Subject_ID: {len(clips)} clips', len(clips))
    return Listing(tuple(clips), tuple(collect.found))


def _largest(rows: list[Row]) -> float:
    """Largest readable value of the seven columns."""
    values = [row[name] for _, row in rows for name in COLUMNS]
    return max((float(v) for v in values if v.replace('.', '', 1).isdecimal()), default=0.0)


def _clip(table: Path, entry: Row, whole: str, scale: float, folders: list[Path], collect: Collector) -> Clip | None:
    line, row = entry
    name = row['file_id'].strip('[]')
    split = whole or _SPLITS.get(row['split'].lower(), '')
    if not split:
        collect.add('bad_line', table, line, f'split is {row["split"]!r}; wanted Train, Val or Test')
        return None
    fields = ['' if row[column] == '-1' else row[column] for column in COLUMNS]
    values = [collect.number(table, line, c, f, 0, scale) for c, f in zip(COLUMNS, fields, strict=True)]
    if any(value is None for value in values):
        return None
    numbers = [value / scale for value in values if value is not None and not math.isnan(value)]
    if len(numbers) < len(COLUMNS):
        collect.add('unlabelled', table, line, f'clip {name} has no reactions')
        return None
    video = find_media(folders, name) or find_media(folders, f'[{name}]')
    if video is None:
        collect.add('missing_media', table, line, f'no video {name}.mp4')
        return None
    values_by_name = {f'reaction_{r}': v for r, v in zip(REACTIONS, numbers, strict=True)}
    person = row.get('subject_id', '') or row.get('subject', '')
    where = collect.name(table)
    return Clip(name, person, split, video, values=values_by_name, label_file=where, label_line=line)
