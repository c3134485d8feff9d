"""Any collection of videos and images with an index: SRC/index.csv, one line per person in a clip.

Columns: `file` (video or image, relative to SRC), `split` (train, val, test); optional `person`, `side` (left, right or
largest: which face), `faces` (given: the images are face crops already), `x,y,width,height` (face box in px of an
image), `labels` (a file of labels per frame or segment that `evaluate --labels` reads: CSV, ELAN or Aff-Wild2 text) and
labels of the whole clip: `smile`, `expression`, `smile_intensity`, `valence`, `arousal`, `reaction_NAME`.

Where the file of labels names several persons, those named as `side` or, without one, as `person` are taken.
"""

from __future__ import annotations

import math
from pathlib import Path

from affect_perception.datasets.adapters.reading import Collector, Row
from affect_perception.datasets.records import SELECT, SPLITS, Clip, Listing
from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.quantities import CLASSES, RANGES, parse_value
from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.labels.series import BOX, Series
from affect_perception.types import Box


def read(src: Path, faces: str = 'auto') -> Listing:
    """List the lines of index.csv."""
    collect = Collector(src)
    index = src / 'index.csv'
    found = [_clip(src, index, row, faces, collect) for row in collect.rows(index, ('file', 'split'))]
    clips = tuple(clip for clip in found if clip is not None)
    if without := sum(not clip.person for clip in clips):
        collect.add('unknown_person', index, 1, f'{without} clips without a person', without)
    return Listing(clips, tuple(collect.found))


def _clip(src: Path, index: Path, entry: Row, faces: str, collect: Collector) -> Clip | None:
    line, row = entry
    media, split, side = src / row['file'], row['split'], row.get('side', '') or 'largest'
    if split not in SPLITS or side not in SELECT:
        wanted = f'split of {", ".join(SPLITS)} and side of {", ".join(SELECT)}'
        collect.add('bad_line', index, line, f'split {split!r}, side {side!r}; wanted a {wanted}')
        return None
    if not media.is_file():
        collect.add('missing_media', index, line, f'no file {row["file"]}')
        return None
    values = _values(row, index, line, collect)
    series = _series(src, row, index, line, collect) if row.get('labels') else ()
    if values is None or not (values or series):
        if values is not None:
            collect.add('unlabelled', index, line, f'{row["file"]} has no label')
        return None
    crops = faces == 'given' or (faces == 'auto' and row.get('faces') == 'given')
    frames = [s.ends.max() for s in series if s.unit == 'frame']
    seconds = [s.ends.max() for s in series if s.unit == 'time']
    return Clip(
        row['file'] if side == 'largest' else f'{row["file"]}_{side}', row.get('person', ''), split, media, series,
        values, faces='given' if crops else 'detect', select=side, box=_box(row),
        labelled_frames=round(max(frames)) if frames else None, labelled_s=float(max(seconds)) if seconds else None,
        label_file=collect.name(index), label_line=line,
    )  # fmt: skip


def _values(row: dict[str, str], index: Path, line: int, collect: Collector) -> dict[str, float] | None:
    found: dict[str, float] = {}
    for name, text in row.items():
        if name in CLASSES or name in RANGES or name.startswith('reaction_'):
            try:
                value = parse_value(name, text, f'line {line}')
            except ConfigError as error:
                collect.add('bad_line', index, line, str(error).removeprefix(f'line {line}: '))
                return None
            if not math.isnan(value):
                found[name] = value
    return found


def _series(src: Path, row: dict[str, str], index: Path, line: int, collect: Collector) -> tuple[Series, ...]:
    try:
        labels = read_labels([src / row['labels']])
    except ConfigError as error:
        collect.add('bad_line', index, line, str(error))
        return ()
    for note in labels.notes:
        collect.add('overlap' if 'overlap' in note else 'label_note', src / row['labels'], 0, note)
    people = labels.people
    named = next((n for n in (row.get('side', ''), row.get('person', '')) if n in people), people[0])
    if len(people) > 1 and named not in (row.get('side', ''), row.get('person', '')):
        collect.add('bad_line', index, line, f'{row["labels"]} labels {", ".join(people)}: give one as side or person')
        return ()
    first: dict[str, Series] = {}
    for series in labels.series:
        if series.person == named and series.quantity != BOX:
            first.setdefault(series.quantity, series)
    return tuple(first.values())


def _box(row: dict[str, str]) -> Box | None:
    try:
        x, y, width, height = (float(row[name]) for name in ('x', 'y', 'width', 'height'))
    except (KeyError, ValueError):
        return None
    return Box(x, y, width, height) if width > 0 and height > 0 else None
