"""Tables and JSON files of an evaluation: the columns of faces.csv, the counts of bad inputs, metrics.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from affect_perception.errors import AffectPerceptionError, BadInputError
from affect_perception.evaluation.report.results import REACTION, SPEAKING
from affect_perception.runtime.files import LineFile
from affect_perception.sources.file_kinds import READ
from affect_perception.types import Affect, AffectFrame

# fmt: off
COLUMNS = (
    'frame', 'stamp', 'track_id', 'x', 'y', 'width', 'height', 'confidence', 'smile_level', 'smile_intensity',
    'p_neutral', 'p_low', 'p_medium', 'p_high', 'valence', 'arousal',
)
# fmt: on
MAX_TEXTS = 100  # of bad inputs in metrics.json; the others are only counted


def header(expressions: Sequence[str], reactions: Sequence[str], sound: bool = False) -> list[str]:
    """Names of the columns of faces.csv for a model with these labels: `reaction_NAME` for a reaction.

    With `sound`: `speaking` at the end.
    """
    return [*COLUMNS, *expressions, *(f'{REACTION}{name}' for name in reactions), *([SPEAKING] if sound else [])]


class BadInputs:
    """Counts of unusable inputs by kind, and the messages of the first hundred; a `BadInputCallback`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.texts: list[str] = []

    def __call__(self, error: BadInputError) -> None:
        """Count an unusable input."""
        self.counts[error.kind] += 1
        if len(self.texts) < MAX_TEXTS:
            self.texts.append(str(error))


def face_row(index: int, affect: AffectFrame, face: Affect, sound: bool = False) -> list[Any]:
    """One row of faces.csv: the values of COLUMNS, one per expression, one per reaction and, with `sound`, speaking.

    Numbers are text of fixed precision; a face without a crop has NaN in all columns of the network.
    """
    box = [f'{v:.2f}' for v in (face.box.x, face.box.y, face.box.width, face.box.height)]
    numbers = (face.smile_intensity, *face.smile_probabilities, face.valence, face.arousal)
    return [
        index,
        f'{affect.stamp_ns // 10**9}.{affect.stamp_ns % 10**9:09d}',  # a float would end at 0.1 µs
        face.track_id,
        *box,
        f'{face.confidence:.4f}',
        face.smile_level.name.lower(),
        *(f'{v:.6f}' for v in (*numbers, *face.expression_probabilities, *face.reaction_intensities)),
        *([f'{face.speaking:.4f}'] if sound else []),
    ]


FILE_COLUMNS = ('file', 'status', 'reason')
_MOST_LINES = 20  # of files left out, at the terminal


def write_files(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = FILE_COLUMNS) -> None:
    """Write `files.csv`: one row for every given file, with what became of it and why."""
    with LineFile(path) as table:
        table.rows([list(columns), *([row.get(column, '') for column in columns] for row in rows)])


def left_out_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines for the terminal about the files that were not read, or not wholly; the first twenty, and a count."""
    others = [row for row in rows if row['status'] != READ]
    named = [row for row in others if not row['file'].rpartition('/')[2].startswith('.')]
    lines = [f'{row["status"]}: {row["file"]}: {row["reason"]}' for row in named[:_MOST_LINES]]
    hidden, more = len(others) - len(named), len(named) - len(lines)
    parts = [f'{more} more' if more > 0 else '', f'{hidden} hidden files' if hidden else '']
    if any(parts):
        lines.append(f'left out: {" and ".join(part for part in parts if part)}; files.csv lists them')
    return lines


def write_json(path: Path, content: dict) -> None:
    """Replace a JSON file at once; AffectPerceptionError where the disk is full."""
    part = path.with_name(path.name + '.part')
    try:
        part.write_text(json.dumps(content, indent=2) + '\n')
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AffectPerceptionError(f'{path} cannot be written: {error.strerror}') from None
