"""Videos with ELAN tiers, the kind of data of Witzig et al. 2019: smile segments in 720p videos of one person.

Layout: NAME.mp4 (or .avi, .mkv, …) beside NAME.eaf in SRC or up to two folders below, and optionally SRC/splits.csv
with the columns clip,person,split and, for videos of two people, side (the person's name in the tiers: left or right).

Tiers are named QUANTITY@PERSON@ANNOTATOR as `evaluation/labels/elan.py` reads them; where several annotators labelled a
person, the first one counts. Between smile segments the level is neutral; `subtle` is not labelled, as in the paper.
Without splits.csv every person of every video counts as another one, and 80 / 10 / 10 % of the persons, chosen by a
hash of the name, are train, val and test (the paper: 27 / 3 / 3 videos).

The own ELAN reader is used and not pympi-ling: labels for training and for `evaluate` come from one code, it applies
TIME_ORIGIN and reports instead of raising, and pympi keeps no line numbers, which findings need.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from xml.parsers import expat

from affect_perception.datasets.adapters.reading import Collector, find_media, subfolders
from affect_perception.datasets.records import SPLITS, Clip, Listing
from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels import elan
from affect_perception.evaluation.labels.quantities import SMILE_LEVELS
from affect_perception.evaluation.labels.series import Labels, Series

_PERCENT = {'train': 80, 'val': 90}  # the rest is test
Assigned = dict[tuple[str, str], tuple[str, str, int]]  # (clip, side) -> person, split, line of splits.csv


def made_split(person: str) -> str:
    """Split of a person by the hash of the name: 80 % train, 10 % val, 10 % test."""
    number = int.from_bytes(hashlib.sha256(person.encode()).digest()[:4], 'big') % 100
    return next((split for split, below in _PERCENT.items() if number < below), 'test')


def read(src: Path, faces: str = 'auto') -> Listing:  # noqa: ARG001 - this kind has videos only
    """List every labelled person of every video."""
    collect = Collector(src)
    folders = subfolders(src, 2)
    splits = src / 'splits.csv'
    assigned = read_splits(splits, collect) if splits.is_file() else {}
    clips: list[Clip] = []
    documents = sorted(path for folder in folders for path in folder.glob('*.eaf'))
    for path in documents:
        clips += _clips(path, folders, assigned, splits if splits.is_file() else None, collect)
    labelled = {path.stem for path in documents}
    for video in sorted(p for f in folders for p in f.glob('*.mp4') if p.stem not in labelled):
        collect.add('no_label_file', video, 0, f'no {video.stem}.eaf')
    if clips and not splits.is_file():
        text = f'no splits.csv: {len(clips)} persons, one per tier, in 80 / 10 / 10 % by a hash of their names'
        collect.add('made_split', src, 0, text, len(clips))
    return Listing(tuple(clips), tuple(collect.found), {'smile': SMILE_LEVELS})


def read_splits(path: Path, collect: Collector) -> Assigned:
    """Persons and splits by (clip, side); the side is empty for the only person of a clip."""
    found: Assigned = {}
    for line, row in collect.rows(path, ('clip', 'person', 'split')):
        if row['split'] not in SPLITS:
            collect.add('bad_line', path, line, f'split is {row["split"]!r}; wanted {", ".join(SPLITS)}')
        else:
            found[row['clip'], row.get('side', '')] = row['person'], row['split'], line
    return found


def _clips(path: Path, folders: list[Path], assigned: Assigned, splits: Path | None, collect: Collector) -> list[Clip]:
    _check_tiers(path, collect)
    try:
        labels = elan.read(path)
    except ConfigError as error:
        collect.add('bad_line', path, 1, str(error))
        return []
    for note in labels.notes:
        if 'overlap' not in note and 'is empty' not in note:
            collect.add('label_note', path, 0, note)
    video = find_media([path.parent, *folders], path.stem)
    if video is None:
        collect.add('missing_media', path, 0, f'no video {path.stem}.mp4, .avi, …')
        return []
    people = labels.people
    if len(people) > 1 and not set(people) <= {'left', 'right'}:
        collect.add('bad_line', path, 1, f'tiers of {", ".join(people)}; name two persons left and right')
        return []
    found = [_clip(path, video, labels, name, len(people), assigned, splits, collect) for name in people]
    return [clip for clip in found if clip is not None]


def _clip(
    path: Path, video: Path, labels: Labels, name: str, people: int, assigned: Assigned, splits: Path | None,
    collect: Collector,
) -> Clip | None:  # fmt: skip
    series = _first_annotator(labels, name)
    stem = f'{path.stem}_{name}' if people > 1 else path.stem
    person, split, line = stem, made_split(stem), 0
    if splits is not None:
        entry = assigned.get((path.stem, name if people > 1 else ''), assigned.get((path.stem, name)))
        if entry is None:
            collect.add('no_label_file', splits, 0, f'no line for clip {path.stem}, person {name}: skipped')
            return None
        person, split, line = entry
    return Clip(
        stem, person, split, video, series, select=name if people > 1 else 'largest',
        labelled_s=max(float(s.ends.max()) for s in series), label_line=line,
        label_file=collect.name(splits if line and splits else path),
    )  # fmt: skip


def _first_annotator(labels: Labels, person: str) -> tuple[Series, ...]:
    found: dict[str, Series] = {}
    for series in labels.series:
        if series.person == person:
            found.setdefault(series.quantity, series)
    return tuple(found.values())


def _check_tiers(path: Path, collect: Collector) -> None:
    """Report empty tiers and overlapping segments, with the line of the tier or of the later segment."""
    for name, (line, segments) in _tiers(path).items():
        if not segments:
            collect.add('empty_tier', path, line, f'tier {name!r} is empty: taken as not annotated')
        ordered = sorted(segments)
        over = [b for a, b in pairwise(ordered) if a[1] > b[0]]
        if over:
            text = f'tier {name!r}: {len(over)} segments overlap, the first at {over[0][0] / 1e3:.2f} s'
            collect.add('overlap', path, over[0][2], text, len(over))


def _tiers(path: Path) -> dict[str, tuple[int, list[tuple[float, float, int]]]]:
    """Line of each tier by name, and its segments as (start ms, end ms, line); empty for no XML."""
    slots: dict[str, float] = {}
    tiers: dict[str, tuple[int, list[tuple[float, float, int]]]] = {}
    current = ''
    parser = expat.ParserCreate()

    def start(tag: str, names: dict[str, str]) -> None:
        nonlocal current
        line = parser.CurrentLineNumber
        if tag == 'TIME_SLOT' and 'TIME_VALUE' in names:
            slots[names.get('TIME_SLOT_ID', '')] = float(names['TIME_VALUE'])
        elif tag == 'TIER':
            current = names.get('TIER_ID', '')
            tiers[current] = line, []
        elif tag == 'ALIGNABLE_ANNOTATION' and current in tiers:
            begin, end = (slots.get(names.get(f'TIME_SLOT_REF{i}', '')) for i in (1, 2))
            if begin is not None and end is not None:
                tiers[current][1].append((begin, end, line))

    parser.StartElementHandler = start
    try:
        parser.Parse(path.read_bytes(), True)
    except (OSError, expat.ExpatError, ValueError):
        return {}  # `elan.read` reports it
    return tiers
