"""Reading of label files for the adapters: problems become findings with file and line, never exceptions."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from affect_perception.datasets.records import Finding
from affect_perception.evaluation.labels.quantities import EXPRESSIONS

VIDEOS = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.MP4', '.AVI')
IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.JPG', '.PNG')
# Names of the seven or eight expressions in the sets, as they are in `quantities.EXPRESSIONS`.
_EXPRESSION_NAMES = {
    'angry': 'anger', 'disgusted': 'disgust', 'fearful': 'fear', 'happy': 'happiness', 'sad': 'sadness',
    'surprised': 'surprise', 'others': 'other',
}  # fmt: skip
Row = tuple[int, dict[str, str]]  # line number from 1, field by column in lower case


class Collector:
    """Findings of one reading, in order; files are named relative to `src`."""

    def __init__(self, src: Path) -> None:
        self._src = src
        self.found: list[Finding] = []

    def name(self, path: Path) -> str:
        """`path` relative to the data set, for messages."""
        return path.relative_to(self._src).as_posix() if path.is_relative_to(self._src) else str(path)

    def add(self, kind: str, path: Path, line: int, text: str, count: int = 1) -> None:
        """Add a finding of `count` items at a line (0: the whole file)."""
        self.found.append(Finding(kind, self.name(path), line, text, count))

    def text(self, path: Path) -> str | None:
        """Content of a text file; None, with a finding, where it cannot be read."""
        try:
            return path.read_text(encoding='utf-8-sig')
        except (OSError, UnicodeDecodeError) as error:
            self.add('bad_line', path, 0, f'cannot be read as text: {error}')
            return None

    def rows(self, path: Path, wanted: Iterable[str], header: Sequence[str] = (), delimiter: str = ',') -> list[Row]:
        """Rows of a CSV file by column name, in lower case; lines of another length are findings.

        `header` names the columns of a file without a header line. Without a `wanted` column the file is one finding
        and no rows.
        """
        text = self.text(path)
        lines = list(csv.reader((text or '').splitlines(), delimiter=delimiter))
        first = 0 if header else 1
        columns = list(header) or [name.strip().lower() for name in (lines[0] if lines else [])]
        if text is None:
            return []
        if missing := [name for name in wanted if name not in columns]:
            given = ', '.join(columns) or 'none'
            self.add('bad_line', path, 1, f'column {", ".join(missing)} is missing; the columns are {given}')
            return []
        rows: list[Row] = []
        for number, line in enumerate(lines[first:], first + 1):
            if not any(field.strip() for field in line):
                continue
            if len(line) != len(columns):
                self.add('bad_line', path, number, f'{len(line)} fields; wanted {len(columns)}')
                continue
            rows.append((number, dict(zip(columns, (field.strip() for field in line), strict=True))))
        return rows

    def number(self, path: Path, line: int, name: str, text: str, low: float, high: float) -> float | None:
        """Number in [low, high]; NaN for an empty field, and None, with a finding, for anything else."""
        if not text or text.lower() == 'nan':
            return math.nan
        try:
            value = float(text)
        except ValueError:
            value = math.inf
        if not (math.isfinite(value) and low <= value <= high):
            self.add('bad_line', path, line, f'{name} is {text!r}; wanted a number in {low:g} to {high:g}')
            return None
        return value


def expression_index(name: str) -> int | None:
    """Index in `quantities.EXPRESSIONS` of the name that a set gives an expression, or None."""
    word = name.strip().lower()
    word = _EXPRESSION_NAMES.get(word, word)
    return EXPRESSIONS.index(word) if word in EXPRESSIONS else None


def find_media(folders: Iterable[Path], stem: str, suffixes: Sequence[str] = VIDEOS) -> Path | None:
    """First existing file `folder/stem.suffix`, or None."""
    return next((p for f in folders for s in suffixes if (p := f / f'{stem}{s}').is_file()), None)


def subfolders(src: Path, depth: int = 2, skip: Sequence[str] = ()) -> list[Path]:
    """`src` and its folders down to `depth` levels, sorted, without those named in `skip` (folders of many images)."""
    found = [src]
    if depth and src.is_dir():
        for child in sorted(src.iterdir()):
            if child.is_dir() and child.name not in skip:
                found += subfolders(child, depth - 1, skip)
    return found
