"""What a run said, as arrays, and which of its faces belong to which labelled person."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from affect_perception.core.boxes import iou
from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.labels import SMILE_LEVELS, Labels, Series

SAME_FACE_IOU = 0.5  # as in evaluation.mot
NOBODY = -1
_FIXED = ('frame', 'stamp', 'track_id', 'x', 'y', 'width', 'height', 'confidence', 'smile_level', 'smile_intensity')


@dataclass(frozen=True, eq=False)
class Run:
    """F frames and N faces in them, in the order of faces.csv.

    `numbers` (F,) and `stamps` (F,) s are of all frames, also of those without a face; `row_frame` (N,) says in which
    of the F a face is. `columns` holds every number of faces.csv by its name, (N,) each; `level` is 0 to 3, or NaN.
    """

    name: str
    numbers: np.ndarray
    stamps: np.ndarray
    row_frame: np.ndarray
    track_id: np.ndarray
    boxes: np.ndarray
    level: np.ndarray
    columns: dict[str, np.ndarray]
    expressions: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    sequence: bool = True

    @property
    def times(self) -> np.ndarray:
        """(F,) seconds since the first frame."""
        return self.stamps - self.stamps[0] if len(self.stamps) else self.stamps

    @property
    def period_s(self) -> float:
        return float(np.median(np.diff(self.stamps))) if len(self.stamps) > 1 else 1 / 30

    def position(self, unit: str) -> np.ndarray:
        """(F,) where the frames are, in a unit of labels."""
        if unit == 'file' and not self.files:
            raise ConfigError('the labels name files, but the input is no folder of images; give frame or time instead')
        by_unit = {'time': self.times, 'stamp': self.stamps, 'frame': self.numbers.astype(float)}
        return np.array(self.files) if unit == 'file' else by_unit[unit]

    def of(self, row: np.ndarray, name: str) -> np.ndarray:
        """(F,) a column at the faces `row` (F,) of one person; NaN in frames where there is none."""
        values = self.level if name == 'level' else self.columns[name]
        found = np.full(len(row), np.nan)
        found[row != NOBODY] = values[row[row != NOBODY]]
        return found


def read_run(folder: Path) -> Run:
    """The run that `evaluate` left in `folder`; ConfigError when there is none, or it is damaged."""
    try:
        metrics = json.loads((folder / 'metrics.json').read_text())
        return load(folder, str(metrics['model']), metrics.get('sequence', True))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f'{folder} holds no finished evaluation: {error}; make one with `affect-perception evaluate`'
        ) from None


def load(folder: Path, name: str, sequence: bool) -> Run:
    """`faces.csv` and `frames.csv` of `folder`; raises what reading raises, or ValueError for other columns."""
    with (folder / 'faces.csv').open(newline='') as file:
        header, *rows = csv.reader(file)
    with (folder / 'frames.csv').open(newline='') as file:
        frames = [(int(row['frame']), float(row['stamp']), row.get('file') or '') for row in csv.DictReader(file)]
    if not set(_FIXED) <= set(header):
        raise ValueError(f'faces.csv has the columns {", ".join(header)}')
    table = {column: [row[i] for row in rows] for i, column in enumerate(header)}
    expressions = tuple(header[header.index('arousal') + 1 :]) if 'arousal' in header else ()
    return make_run(name, frames, table, expressions, sequence)


def make_run(
    name: str,
    frames: Iterable[tuple[int, float, str]],
    table: dict[str, list],
    expressions: tuple[str, ...],
    sequence: bool,
) -> Run:
    """From (number, stamp, file) of each frame and the columns of faces.csv as text or numbers."""
    frames = list(frames)
    numbers = np.array([n for n, _, _ in frames], int)
    place = {n: i for i, n in enumerate(numbers.tolist())}
    words = {word: float(i) for i, word in enumerate(SMILE_LEVELS)}
    columns = {k: np.array(v, float) for k, v in table.items() if k not in ('file', 'smile_level', 'track_id', 'frame')}
    files = tuple(file for _, _, file in frames)
    return Run(
        name,
        numbers,
        np.array([stamp for _, stamp, _ in frames], float),
        np.array([place[int(n)] for n in table['frame']], int),
        np.array(table['track_id'], int),
        np.stack([columns[k] for k in ('x', 'y', 'width', 'height')], -1).reshape(-1, 4),
        np.array([words.get(word, np.nan) for word in table['smile_level']], float),
        columns,
        expressions,
        files if any(files) else (),
        sequence,
    )


@dataclass(frozen=True, eq=False)
class Matched:
    """For each person the face (row of the run, or NOBODY) in each frame (F,), how that was found, and what is odd."""

    rows: dict[str, np.ndarray]
    how: str
    notes: tuple[str, ...] = ()

    def tracks(self, run: Run) -> dict[str, list[int]]:
        return {p: sorted(set(run.track_id[r[r != NOBODY]].tolist())) for p, r in self.rows.items()}


def parse_people(text: str) -> dict[str, tuple[int, ...]]:
    """`anna=1,ben=2+5` to track ids by person; ConfigError for anything else."""
    people: dict[str, tuple[int, ...]] = {}
    for part in filter(None, (p.strip() for p in text.split(','))):
        person, _, ids = part.partition('=')
        if not person.strip() or not ids or not all(i.strip().isdecimal() for i in ids.split('+')):
            raise ConfigError(f'--people {text!r}: {part!r} is no PERSON=TRACK; write it as anna=1,ben=2+5')
        people[person.strip()] = tuple(int(i) for i in ids.split('+'))
    return people


def match(run: Run, labels: Labels, people: dict[str, tuple[int, ...]]) -> Matched:
    """Who is who: by the explicit map, else by the boxes of the labels, else from left to right.

    Raises ConfigError when no labelled person has a face in the run.
    """
    unknown = [person for person in people if person not in labels.people]
    if unknown:
        raise ConfigError(f'--people names {", ".join(unknown)}; the labels are of {", ".join(labels.people)}')
    if people:
        matched = Matched({p: _rows_of(run, ids) for p, ids in people.items()}, 'as given by --people')
    elif all(labels.box(person) is not None for person in labels.people):
        matched = Matched(_by_box(run, labels), 'by their boxes')
    elif not run.sequence:
        matched = Matched(_largest(run, labels), 'the largest face of each picture')
    else:
        matched = _left_to_right(run, labels)
    absent = [p for p in labels.people if p not in matched.rows or (matched.rows[p] == NOBODY).all()]
    if len(absent) == len(labels.people):
        raise ConfigError(
            f'no labelled person ({", ".join(labels.people)}) has a face in {run.name}; tracks there: '
            f'{", ".join(map(str, np.unique(run.track_id).tolist()[:20])) or "none"}; say who is who with --people'
        )
    notes = [f'nobody was seen who is {person!r} of the labels' for person in absent]
    rows = {p: matched.rows[p] for p in labels.people if p not in absent}
    return Matched(rows, matched.how, (*matched.notes, *notes))


def _rows_of(run: Run, ids: Iterable[int]) -> np.ndarray:
    rows = np.full(len(run.numbers), NOBODY)
    for track in reversed(list(ids)):  # the first one named wins where two are in one frame
        mine = np.flatnonzero(run.track_id == track)
        rows[run.row_frame[mine]] = mine
    return rows


def _by_box(run: Run, labels: Labels) -> dict[str, np.ndarray]:
    """One to one in each frame, so that a person whose id changes stays the same person."""
    people = labels.people
    boxes = [_at(run, labels.box(person)) for person in people]  # (F, 4) each
    rows = {person: np.full(len(run.numbers), NOBODY) for person in people}
    order = np.argsort(run.row_frame, kind='stable')
    bounds = np.searchsorted(run.row_frame[order], np.arange(len(run.numbers) + 1))
    for frame in range(len(run.numbers)):
        faces = order[bounds[frame] : bounds[frame + 1]]
        there = [i for i in range(len(people)) if np.isfinite(boxes[i][frame]).all()]
        if not len(faces) or not there:
            continue
        overlap = iou(_centred(np.stack([boxes[i][frame] for i in there])), _centred(run.boxes[faces]))
        for a, b in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[a, b] >= SAME_FACE_IOU:
                rows[people[there[a]]][frame] = faces[b]
    return rows


def _centred(boxes: np.ndarray) -> np.ndarray:
    """From corner and size to what core.geometry wants, centre and size."""
    return np.hstack([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]])


def _at(run: Run, series: Series) -> np.ndarray:
    return series.at(run.position(series.unit))


def _largest(run: Run, labels: Labels) -> dict[str, np.ndarray]:
    """Pictures of one person each: whoever is labelled there has the largest face."""
    rows = np.full(len(run.numbers), NOBODY)
    largest = np.argsort(run.boxes[:, 2] * run.boxes[:, 3], kind='stable')
    rows[run.row_frame[largest]] = largest  # the last one written stays
    found = {}
    for person in labels.people:
        labelled = [~np.isnan(_at(run, s)) for s in labels.series if s.person == person]
        found[person] = np.where(np.any(labelled, axis=0), rows, NOBODY)
    return found


def _left_to_right(run: Run, labels: Labels) -> Matched:
    """The first person named is the leftmost one. With more tracks than people those seen in most frames count."""
    ids, counts = np.unique(run.track_id, return_counts=True)
    kept = ids[np.argsort(-counts, kind='stable')][: len(labels.people)]
    middle = {i: float(np.median((run.boxes[:, 0] + run.boxes[:, 2] / 2)[run.track_id == i])) for i in kept.tolist()}
    ordered = sorted(middle, key=middle.get)
    notes = []
    if len(ids) > len(labels.people):
        notes.append(
            f'{len(ids)} tracks for {len(labels.people)} labelled people: those seen in most frames are taken; '
            '--people says otherwise'
        )
    rows = {p: _rows_of(run, [i]) for p, i in zip(labels.people, ordered, strict=False)}
    how = 'from left to right, in the order in which the labels name them' if len(labels.people) > 1 else 'the only one'
    return Matched(rows, how, tuple(notes))
