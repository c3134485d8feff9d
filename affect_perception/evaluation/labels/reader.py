"""`read_labels`: label files of a recording to `Labels`, by the suffix and the first line of each file.

ELAN (`.eaf`, or its tab-delimited export), CSV, OpenFace, py-feat and Aff-Wild2 files; see docs/evaluation.md. The
first annotator of the first file is the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from affect_perception.errors import ConfigError, untrusted
from affect_perception.evaluation.labels import affwild2, csv_labels, elan, elan_table
from affect_perception.evaluation.labels.face_tools import TOOLS
from affect_perception.evaluation.labels.series import BOX, Labels, Series
from affect_perception.evaluation.labels.text import read_text

Reader = Callable[[Path], Labels]
SUFFIXES = ('.eaf', '.csv', '.txt', '.tsv', '.tab')


def read_labels(paths: Iterable[Path], recording: str = '') -> Labels:
    """Read and join label files; a folder stands for its files that are named as the recording.

    Raises ConfigError for a missing file, an unknown kind, a file without usable labels, and for the same quantity of a
    person labelled twice by one annotator.
    """
    series: list[Series] = []
    notes: list[str] = []
    for file in [file for path in paths for file in _label_files(Path(path), recording)]:
        with untrusted(file):
            read = _reader_of(file, recording)(file)
        for one in read.series:
            if any((s.annotator, s.person, s.quantity) == (one.annotator, one.person, one.quantity) for s in series):
                if one.quantity == BOX:
                    continue
                raise ConfigError(
                    f'{one.where or file}: annotator {one.annotator!r} labels {one.quantity} of person {one.person!r} '
                    'twice; give the second one another annotator'
                )
            series.append(one)
        notes += read.notes
    if not any(s.quantity != BOX for s in series):
        raise ConfigError(f'no labels in {", ".join(map(str, paths))}' + ''.join(f'; {note}' for note in notes))
    return Labels(tuple(_named_faces(series, notes)), tuple(notes))


def _named_faces(series: list[Series], notes: list[str]) -> list[Series]:
    """Give the faces of OpenFace and py-feat the names of the people in the other files, both from left to right.

    People without boxes are from left to right in the order of the labels, as everywhere.
    """
    named = [s for s in series if s.annotator not in TOOLS]
    people = _left_to_right(named)
    for tool in TOOLS:
        faces = _left_to_right([s for s in series if s.annotator == tool])
        if not people or not faces:
            continue
        if len(people) != len(faces):
            notes.append(f'{tool} has {len(faces)} faces and the other labels {len(people)} people; {tool} is left out')
            series = [s for s in series if s.annotator != tool]
            continue
        names = dict(zip(faces, people, strict=True))
        series = [
            replace(s, person=names[s.person]) if s.annotator == tool else s
            for s in series
            if s.annotator != tool or s.quantity != BOX
        ]
    return series


def _left_to_right(series: list[Series]) -> list[str]:
    people = list(dict.fromkeys(s.person for s in series))
    left = {s.person: float(np.nanmean(s.values[:, 0])) for s in series if s.quantity == BOX}
    return sorted(people, key=left.__getitem__) if len(left) == len(people) else people


def _label_files(path: Path, recording: str) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigError(f'no label file {path}; give an .eaf, .csv or .txt file, or a folder of them')
    stem = Path(recording).stem
    # Aff-Wild2 adds _left or _right for the second person of a video.
    found = [
        file
        for file in sorted(path.iterdir())
        if file.suffix.lower() in SUFFIXES and file.stem in (stem, f'{stem}_left', f'{stem}_right')
    ]
    if not found:
        raise ConfigError(f'no labels for {recording} in {path}; wanted {stem}.eaf, {stem}.csv or {stem}.txt')
    return found


def _reader_of(file: Path, recording: str) -> Reader:
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f'{file} is no label file; wanted {", ".join(SUFFIXES)}')
    if suffix == '.eaf':
        return partial(elan.read, recording=recording)
    text = read_text(file)
    if elan_table.is_elan_table(text):
        return elan_table.read
    columns = text.partition('\n')[0].lower()
    return affwild2.read if suffix == '.txt' and not csv_labels.is_table(columns) else csv_labels.read
