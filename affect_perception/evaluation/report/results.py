"""Results of one evaluation as arrays, read back from `faces.csv` and `frames.csv`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.quantities import SMILE_LEVELS
from affect_perception.runtime.files import read_text_file

REACTION = 'reaction_'  # before the name of a reaction in faces.csv, which may also be that of an expression
SPEAKING = 'speaking'  # the last column of faces.csv where there is sound
NO_FACE = -1  # in place of a row of faces.csv: the person has no face in that frame
_LARGEST = 2**31  # bytes of a table
_FIXED = ('frame', 'stamp', 'track_id', 'x', 'y', 'width', 'height', 'confidence', 'smile_level', 'smile_intensity')


@dataclass(frozen=True, eq=False)
class EvaluationRun:
    """F frames and N faces in them, in the order of faces.csv.

    `frame_numbers` (F,) and `stamps` (F,) s are of all frames, also of those without a face; `frame_of_row` (N,) is the
    index of the frame (0 to F - 1) of each face; `boxes` (N, 4) are x, y, width, height in px. `columns` holds every
    number of faces.csv by its name, (N,) each; `level` (N,) is 0 to 3, or NaN. `files` (F,) are the names of single
    images, which are no `sequence`. `expressions` and `reactions` are the model's labels; the columns of reactions have
    the prefix REACTION. `zero_s` is the stamp at which times begin; None: that of the first frame.
    """

    name: str
    frame_numbers: np.ndarray
    stamps: np.ndarray
    frame_of_row: np.ndarray
    track_id: np.ndarray
    boxes: np.ndarray
    level: np.ndarray
    columns: dict[str, np.ndarray]
    expressions: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    sequence: bool = True
    reactions: tuple[str, ...] = ()
    zero_s: float | None = None

    def predicts(self, name: str) -> bool:
        """Whether a column, or `level`, has numbers; also true without any face."""
        values = self.level if name == 'level' else self.columns.get(name, np.full(1, np.nan))
        return not len(values) or bool(np.isfinite(values).any())

    @property
    def times(self) -> np.ndarray:
        """(F,) seconds since the start of the medium, where its clock is known, else since the first frame."""
        if self.zero_s is not None or not len(self.stamps):
            return self.stamps - (self.zero_s or 0.0)
        first: np.ndarray = self.stamps - self.stamps[0]
        return first

    @property
    def period_s(self) -> float:
        """Median time between two frames, s."""
        return float(np.median(np.diff(self.stamps))) if len(self.stamps) > 1 else 1 / 30

    def positions(self, unit: str) -> np.ndarray:
        """(F,) positions of the frames in a unit of labels; ConfigError for `file` where the input is no folder."""
        if unit == 'file' and not self.files:
            raise ConfigError('the labels name files, but the input is no folder of images; give frame or time instead')
        by_unit = {'time': self.times, 'stamp': self.stamps, 'frame': self.frame_numbers.astype(float)}
        return np.array(self.files) if unit == 'file' else by_unit[unit]

    def values_of(self, rows: np.ndarray, name: str) -> np.ndarray:
        """(F,) values of a column at the faces `rows` (F,) of one person; NaN in frames without a face."""
        values = self.level if name == 'level' else self.columns[name]
        found = np.full(len(rows), np.nan)
        found[rows != NO_FACE] = values[rows[rows != NO_FACE]]
        return found

    def rows_of_tracks(self, track_ids: Iterable[int]) -> np.ndarray:
        """(F,) row of the face of these tracks in each frame; the first track counts where two are in one frame."""
        rows = np.full(len(self.frame_numbers), NO_FACE)
        for track_id in reversed(list(track_ids)):
            mine = np.flatnonzero(self.track_id == track_id)
            rows[self.frame_of_row[mine]] = mine
        return rows


def read_run(folder: Path) -> EvaluationRun:
    """Read the results that `evaluate` left in `folder`; ConfigError for missing or damaged ones."""
    try:
        metrics = json.loads(read_text_file(folder / 'metrics.json'))
        return load_run(folder, str(metrics['model']), metrics.get('sequence', True), metrics.get('time_zero'))
    except Exception as error:  # noqa: BLE001  # damaged tables raise any error of the parsers; reported
        text = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
        raise ConfigError(
            f'{folder} holds no finished evaluation ({text}); make one with `affect-perception evaluate`'
        ) from None


def _table(path: Path) -> io.StringIO:
    return io.StringIO(read_text_file(path, _LARGEST), newline='')


def load_run(folder: Path, name: str, sequence: bool, zero_s: float | None = None) -> EvaluationRun:
    """Read `faces.csv` and `frames.csv` of `folder`; raises OSError, or ValueError for other columns."""
    header, *rows = csv.reader(_table(folder / 'faces.csv'))
    listed = csv.DictReader(_table(folder / 'frames.csv'))
    frames = [(int(row['frame']), float(row['stamp']), row.get('file') or '') for row in listed]
    if not set(_FIXED) <= set(header):
        raise ValueError(f'faces.csv has the columns {", ".join(header)}')
    table = {column: [row[i] for row in rows] for i, column in enumerate(header)}
    labels = header[header.index('arousal') + 1 :] if 'arousal' in header else []
    labels = [label for label in labels if label != SPEAKING]
    expressions = tuple(label for label in labels if not label.startswith(REACTION))
    reactions = tuple(label.removeprefix(REACTION) for label in labels if label.startswith(REACTION))
    return replace(run_from_tables(name, frames, table, expressions, sequence, zero_s), reactions=reactions)


def run_from_tables(
    name: str,
    frames: Iterable[tuple[int, float, str]],
    table: dict[str, list],
    expressions: tuple[str, ...],
    sequence: bool,
    zero_s: float | None = None,
) -> EvaluationRun:
    """Build a run from (number, stamp in s, file) of each frame and the columns of faces.csv as text or numbers."""
    frames = list(frames)
    numbers = np.array([n for n, _, _ in frames], int)
    place = {n: i for i, n in enumerate(numbers.tolist())}
    levels = {word: float(i) for i, word in enumerate(SMILE_LEVELS)}
    columns = {k: np.array(v, float) for k, v in table.items() if k not in ('file', 'smile_level', 'track_id', 'frame')}
    files = tuple(file for _, _, file in frames)
    return EvaluationRun(
        name,
        numbers,
        np.array([stamp for _, stamp, _ in frames], float),
        np.array([place[int(n)] for n in table['frame']], int),
        np.array(table['track_id'], int),
        np.stack([columns[k] for k in ('x', 'y', 'width', 'height')], -1).reshape(-1, 4),
        np.array([levels.get(word, np.nan) for word in table['smile_level']], float),
        columns,
        expressions,
        files if any(files) else (),
        sequence,
        zero_s=zero_s,
    )
