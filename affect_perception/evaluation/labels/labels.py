"""What people said of a recording: labels of several annotators, in one form whatever file they come from.

A `Series` is what one annotator said of one quantity of one person. `read_labels` reads ELAN (`.eaf`), CSV and
Aff-Wild2 text files; docs/evaluation.md describes each. The first annotator of the first file is the reference.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from affect_perception.errors import ConfigError

SMILE_LEVELS = ('neutral', 'low', 'medium', 'high')
EXPRESSIONS = (
    'neutral', 'anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'contempt', 'other',
)  # fmt: skip
CLASSES = {'smile': SMILE_LEVELS, 'expression': EXPRESSIONS}
RANGES = {'smile_intensity': (0.0, 1.0), 'valence': (-1.0, 1.0), 'arousal': (-1.0, 1.0)}
BOX = 'box'
# Witzig et al. 2019 leave their fifth level, Subtle, out of all results: annotators do not agree on it. So do we.
_SMILE_WORDS = {'none': 0, 'no smile': 0, 'subtle': math.nan, '': math.nan, 'unknown': math.nan}
_EXPRESSION_WORDS = {
    'angry': 'anger', 'disgusted': 'disgust', 'fearful': 'fear', 'happy': 'happiness', 'smile': 'happiness',
    'sad': 'sadness', 'surprised': 'surprise',
}  # fmt: skip
_EDGE = 1e-6  # a frame whose time was printed and read again still lies in the segment that begins with it
UNITS = ('time', 'stamp', 'frame', 'file')


@dataclass(frozen=True, eq=False)
class Series:
    """Values that hold from `starts` to `ends` (N,), half open, in `unit`; between them `gap` (NaN: not labelled).

    Units: `time` is seconds since the first frame, `stamp` seconds as in faces.csv, `frame` the number of the frame
    from 0, `file` an index into `files`, the names of pictures. `values` is (N,), a class counting from 0 or a number,
    or (N, 4) boxes x, y, width, height in px. `where` is the place in the file that made it, for messages.
    """

    person: str
    annotator: str
    quantity: str
    unit: str
    starts: np.ndarray
    ends: np.ndarray
    values: np.ndarray
    gap: float = math.nan
    files: tuple[str, ...] = ()
    where: str = ''
    segments: bool = False

    def at(self, position: np.ndarray) -> np.ndarray:
        """The value at each position (F,), given in the unit of this series; NaN where nothing is labelled."""
        if self.unit == 'file':
            place = {name: i for i, name in enumerate(self.files)}
            position = np.array([place.get(name, -1) for name in position], float)
        found = np.full((len(position), *self.values.shape[1:]), self.gap)
        if not len(self.starts):
            return found
        index = np.searchsorted(self.starts, position + _EDGE, side='right') - 1
        inside = (index >= 0) & (position + _EDGE < self.ends[index])
        found[inside] = self.values[index[inside]]
        return found

    def share_within(self, low: float, high: float) -> float:
        """Share of the labels that begin in [low, high)."""
        return float(np.mean((self.ends > low) & (self.starts < high))) if len(self.starts) else 0.0


@dataclass(frozen=True, eq=False)
class Labels:
    """All series of a recording, and `notes`: what was found odd while reading, in sentences."""

    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()

    @property
    def annotators(self) -> tuple[str, ...]:
        """In order of appearance; the first is the reference."""
        return tuple(dict.fromkeys(s.annotator for s in self.series if s.quantity != BOX))

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(s.person for s in self.series))

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(s.quantity for s in self.series if s.quantity != BOX))

    def get(self, annotator: str, person: str, quantity: str) -> Series | None:
        wanted = (annotator, person, quantity)
        return next((s for s in self.series if (s.annotator, s.person, s.quantity) == wanted), None)

    def box(self, person: str) -> Series | None:
        return next((s for s in self.series if s.quantity == BOX and s.person == person), None)


def read_labels(paths: Iterable[Path], recording: str = '') -> Labels:
    """The labels of all files together; a folder stands for the files in it that are named as the recording.

    Raises ConfigError for a file that is not there, is of no known kind, or holds no label that can be used.
    """
    series: list[Series] = []
    notes: list[str] = []
    for file in [file for path in paths for file in _files(Path(path), recording)]:
        read = _reader(file)(file)
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


def _files(path: Path, recording: str) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigError(f'no label file {path}; give an .eaf, .csv or .txt file, or a folder of them')
    stem = Path(recording).stem
    # Aff-Wild2 adds _left or _right for the second person of a video.
    found = [
        file
        for file in sorted(path.iterdir())
        if file.suffix.lower() in ('.eaf', '.csv', '.txt') and file.stem in (stem, f'{stem}_left', f'{stem}_right')
    ]
    if not found:
        raise ConfigError(f'no labels for {recording} in {path}; wanted {stem}.eaf, {stem}.csv or {stem}.txt')
    return found


def _reader(file: Path):
    from affect_perception.evaluation.labels import affwild2, csv_labels, elan

    readers = {'.eaf': elan.read, '.csv': csv_labels.read, '.txt': affwild2.read}
    if file.suffix.lower() not in readers:
        raise ConfigError(f'{file} is no label file; wanted {", ".join(readers)}')
    return readers[file.suffix.lower()]


def value_of(quantity: str, text: str, where: str) -> float:
    """The number that `text` means for `quantity`, NaN for "not labelled"; ConfigError names place and choice."""
    word = text.strip().lower()
    if word in ('', 'nan'):
        return math.nan
    if quantity not in CLASSES:
        return _number(quantity, word, where)
    names = CLASSES[quantity]
    word = _EXPRESSION_WORDS.get(word, word) if quantity == 'expression' else word
    if word in names:
        return float(names.index(word))
    if quantity == 'smile' and word in _SMILE_WORDS:
        return float(_SMILE_WORDS[word])
    if quantity == 'smile' and word.isdecimal() and int(word) < len(names):
        return float(word)
    more = ', subtle (left out, as in Witzig et al.), or 0 to 3' if quantity == 'smile' else ''
    raise ConfigError(f'{where}: unknown {quantity} {text.strip()!r}; wanted {", ".join(names)}{more}')


def _number(quantity: str, word: str, where: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.inf
    low, high = RANGES.get(quantity, (-math.inf, math.inf))
    if not math.isfinite(value) or not low <= value <= high:
        wanted = f'a number in {low:g} to {high:g}' if quantity in RANGES else 'a number'
        raise ConfigError(f'{where}: {quantity} is {word!r}; wanted {wanted}')
    return value


def from_segments(
    segments: Iterable[tuple[float, float, float]], notes: list[str], *, where: str, quantity: str, **names: str
) -> Series:
    """A series of (start, end, value) in seconds. Where no smile is marked the level is neutral, as in the paper.

    That holds unless neutral is itself among the segments: then the gaps are unlabelled. A segment that begins before
    the one ahead of it ends cuts that one short.
    """
    ordered = sorted(segments)
    starts = np.array([s for s, _, _ in ordered], float)
    ends = np.array([e for _, e, _ in ordered], float)
    values = np.array([v for _, _, v in ordered], float)
    over = ends[:-1] > starts[1:] + _EDGE
    if over.any():
        first = starts[1:][over][0]
        notes.append(
            f'{where}: {int(over.sum())} segments overlap, the first at {first:.2f} s; each ends where the next begins'
        )
        ends[:-1] = np.minimum(ends[:-1], starts[1:])
    gap = 0.0 if quantity == 'smile' and not (values == 0).any() else math.nan
    return Series(
        quantity=quantity,
        unit='time',
        starts=starts,
        ends=ends,
        values=values,
        gap=gap,
        where=where,
        segments=True,
        **names,
    )


def from_points(unit: str, points: Mapping[float, np.ndarray | float], **names) -> Series:
    """A series of single frames, given as position -> value; each holds for one step around its position."""
    position = np.array(sorted(points), float)
    values = np.array([points[p] for p in position.tolist()], float)
    if unit in ('frame', 'file'):
        return Series(unit=unit, starts=position, ends=position + 1, values=values, **names)
    step = float(np.median(np.diff(position))) if len(position) > 1 else 1 / 30
    starts = position - step / 2
    ends = np.minimum(position + step / 2, np.append(starts[1:], np.inf))
    return Series(unit=unit, starts=starts, ends=ends, values=values, **names)


def levels_from_intensity(labels: Labels) -> Labels:
    """Adds the smile levels that intensities mean (types.LEVEL_BOUNDS) to annotators who gave none."""
    from affect_perception.types import LEVEL_BOUNDS

    more = [
        replace(s, quantity='smile', values=_levels(s.values, LEVEL_BOUNDS), gap=math.nan)
        for s in labels.series
        if s.quantity == 'smile_intensity' and labels.get(s.annotator, s.person, 'smile') is None
    ]
    return Labels(labels.series + tuple(more), labels.notes)


def _levels(intensity: np.ndarray, bounds: tuple[float, ...]) -> np.ndarray:
    return np.where(np.isnan(intensity), np.nan, np.digitize(intensity, bounds, right=True).astype(float))
