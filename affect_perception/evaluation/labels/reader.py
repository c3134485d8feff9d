"""`read_labels`: label files of a recording to `Labels`, by the suffix of each file.

ELAN (`.eaf`), CSV and Aff-Wild2 text files; docs/evaluation.md describes each. The first annotator of the first file is
the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels import affwild2, csv_labels, elan
from affect_perception.evaluation.labels.series import BOX, Labels, Series

READERS: dict[str, Callable[[Path], Labels]] = {'.eaf': elan.read, '.csv': csv_labels.read, '.txt': affwild2.read}


def read_labels(paths: Iterable[Path], recording: str = '') -> Labels:
    """Read and join label files; a folder stands for its files that are named as the recording.

    Raises ConfigError for a missing file, an unknown kind, a file without usable labels, and for the same quantity of a
    person labelled twice by one annotator.
    """
    series: list[Series] = []
    notes: list[str] = []
    for file in [file for path in paths for file in _label_files(Path(path), recording)]:
        read = _reader_of(file)(file)
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
    return Labels(tuple(series), tuple(notes))


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
        if file.suffix.lower() in READERS and file.stem in (stem, f'{stem}_left', f'{stem}_right')
    ]
    if not found:
        raise ConfigError(f'no labels for {recording} in {path}; wanted {stem}.eaf, {stem}.csv or {stem}.txt')
    return found


def _reader_of(file: Path) -> Callable[[Path], Labels]:
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise ConfigError(f'{file} is no label file; wanted {", ".join(READERS)}')
    return reader
