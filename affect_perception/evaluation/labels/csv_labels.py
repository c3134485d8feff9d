"""Labels from CSV: segments (`start,end,smile`) or single frames (`frame,smile`), told apart by the header.

Segments: `start` and `end` in seconds since the first frame. Frames: one of `time` (s since the first frame), `stamp`
(s, as in faces.csv), `frame` (from 0) or `file` (name of a picture). Quantities: `smile` (or `smile_level`),
`expression`, `smile_intensity`, `valence`, `arousal`, and any column `reaction_NAME`. `person` and `annotator` may be
left out (`1`, the file's name); `x,y,width,height` are the face box in px, by which people are matched to tracks.
Fields are separated by `,`, `;` or tabs; `start`, `end` and `time` may be written hh:mm:ss.ms. Tables of OpenFace and
py-feat are read by `face_tools.py`.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels import face_tools
from affect_perception.evaluation.labels.quantities import CLASSES, QUANTITIES, RANGES, parse_value
from affect_perception.evaluation.labels.series import (
    BOX,
    UNITS,
    Labels,
    Series,
    series_from_points,
    series_from_segments,
)  # fmt: skip
from affect_perception.evaluation.labels.text import parse_number, parse_time_s, read_table

_ALIASES = {'smile_level': 'smile', 'track_id': 'person', 'start_s': 'start', 'end_s': 'end', 'time_s': 'time'}
_BOX = ('x', 'y', 'width', 'height')
_KNOWN = {
    *_ALIASES,
    *_ALIASES.values(),
    *QUANTITIES,
    *UNITS,
    *_BOX,
    'annotator',
    'au12',
    'au12_r',
    'success',
    'facerectx',
}
Rows = list[tuple[str, dict[str, str]]]  # place in the file, field by column


def read(path: Path) -> Labels:
    """Read all series of the file; ConfigError names an unusable line."""
    lines, _ = read_table(path, _KNOWN)
    if lines and face_tools.tool_of([name.strip().lower() for name in lines[0]]):
        return face_tools.read(path, lines)
    header = [_ALIASES.get(name.strip().lower(), name.strip().lower()) for name in lines[0]] if lines else []
    quantities = [n for n in header if n in CLASSES or n in RANGES or n.startswith('reaction_')]
    units = [unit for unit in UNITS if unit in header]
    if not quantities or not ({'start', 'end'} <= set(header) or units):
        raise ConfigError(
            f'{path} has the columns {", ".join(header) or "none"}; wanted start and end, or one of '
            f'{", ".join(UNITS)}, and one of {", ".join(QUANTITIES)}'
        )
    rows = _parse_rows(path, header, lines[1:])
    if {'start', 'end'} <= set(header):
        return _read_segments(path, rows, quantities)
    return _read_points(path, rows, quantities, units[0])


def is_table(first_line: str) -> bool:
    """Whether a line in lower case is a header with a position and a quantity, or one of OpenFace or py-feat."""
    for delimiter in ',;\t':
        names = {_ALIASES.get(n, n) for n in (field.strip().strip('"') for field in first_line.split(delimiter))}
        if face_tools.tool_of(list(names)) or (names & {'start', *UNITS} and names & {*QUANTITIES}):
            return True
    return False


def _parse_rows(path: Path, header: list[str], lines: list[list[str]]) -> Rows:
    rows: Rows = []
    for number, line in enumerate(lines, 2):
        if not any(field.strip() for field in line):
            continue
        if len(line) != len(header):
            raise ConfigError(f'{path.name}, line {number}: {len(line)} fields; the header has {len(header)}')
        rows.append((f'{path.name}, line {number}', dict(zip(header, line, strict=True))))
    if not rows:
        raise ConfigError(f'{path} holds no labels, only a header')
    return rows


def _read_segments(path: Path, rows: Rows, quantities: list[str]) -> Labels:
    notes: list[str] = []
    found: dict[tuple, list] = {}
    for where, row in rows:
        begin, end = (_position(row[name], name, where) for name in ('start', 'end'))
        if end <= begin:
            raise ConfigError(f'{where}: the segment ends at {end:g} s, before it begins at {begin:g} s')
        for quantity in quantities:
            if row[quantity].strip():
                value = parse_value(quantity, row[quantity], where)
                found.setdefault((*_person_and_annotator(path, row), quantity), []).append((begin, end, value))
    series = [
        series_from_segments(
            segments, notes, where=f'{path.name}, {quantity} of {person} by {annotator}',
            quantity=quantity, person=person, annotator=annotator,
        )
        for (person, annotator, quantity), segments in found.items()
    ]  # fmt: skip
    return Labels(tuple(series), tuple(notes))


def _read_points(path: Path, rows: Rows, quantities: list[str], unit: str) -> Labels:
    files: dict[str, int] = {}
    found: dict[tuple, dict[float, float | np.ndarray]] = {}
    for where, row in rows:
        if unit == 'file':
            position = float(files.setdefault(row['file'].strip(), len(files)))
        else:
            position = _position(row[unit], unit, where)
        person, annotator = _person_and_annotator(path, row)
        for quantity in quantities:
            _add_point(
                found, (person, annotator, quantity), position, parse_value(quantity, row[quantity], where), where
            )
        if all(row.get(name, '').strip() for name in _BOX):
            # A box belongs to the person, whichever annotator drew it.
            box = np.array([_finite(row[name], name, where) for name in _BOX])
            found.setdefault((person, '', BOX), {})[position] = box
    series: list[Series] = []
    for (person, annotator, quantity), points in found.items():
        if quantity == BOX or not all(math.isnan(v) for v in points.values()):
            names = {'person': person, 'annotator': annotator, 'quantity': quantity, 'where': path.name}
            series.append(series_from_points(unit, points, files=tuple(files), **names))
    return Labels(tuple(series))


def _add_point(found: dict, key: tuple, position: float, value: float, where: str) -> None:
    points = found.setdefault(key, {})
    if position in points:
        raise ConfigError(
            f'{where}: {key[2]} of person {key[0]!r} by {key[1]!r} is there already; give one line per frame'
        )
    points[position] = value


def _person_and_annotator(path: Path, row: dict[str, str]) -> tuple[str, str]:
    return row.get('person', '').strip() or '1', row.get('annotator', '').strip() or path.stem


def _finite(text: str, name: str, where: str) -> float:
    value = parse_number(text)
    if math.isnan(value):
        raise ConfigError(f'{where}: {name} is {text!r}; wanted a number')
    return value


def _position(text: str, name: str, where: str) -> float:
    """A time in s, or the number of a frame from 0."""
    value = parse_time_s(text) if name != 'frame' else parse_number(text)
    if math.isnan(value):
        raise ConfigError(
            f'{where}: {name} is {text!r}; wanted a number{"" if name == "frame" else " of seconds, or hh:mm:ss"}'
        )
    if name == 'frame' and (value < 0 or value != int(value)):
        raise ConfigError(f'{where}: frame is {text!r}; wanted a whole number from 0')
    return value
