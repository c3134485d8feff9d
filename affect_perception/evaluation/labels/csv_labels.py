"""Labels from CSV: segments (`start,end,smile`) or single frames (`frame,smile`), told apart by the header.

Segments: `start` and `end` in seconds since the first frame. Frames: one of `time` (s since the first frame), `stamp`
(s, as in faces.csv), `frame` (from 0) or `file` (name of a picture). Quantities: `smile` (or `smile_level`),
`expression`, `smile_intensity`, `valence`, `arousal`, and any column `reaction_NAME`. `person` and `annotator` may be
left out (`1`, the file's name); `x,y,width,height` are the face box in px, by which people are matched to tracks.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.labels import (
    BOX,
    CLASSES,
    RANGES,
    UNITS,
    Labels,
    Series,
    from_points,
    from_segments,
    value_of,
)

_SAME = {'smile_level': 'smile', 'track_id': 'person', 'start_s': 'start', 'end_s': 'end', 'time_s': 'time'}
_BOX = ('x', 'y', 'width', 'height')


def read(path: Path) -> Labels:
    """All series of the file; ConfigError names the line that cannot be used."""
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f'{path} cannot be read as CSV: {error}') from None
    header = [_SAME.get(name.strip().lower(), name.strip().lower()) for name in lines[0]] if lines else []
    quantities = [n for n in header if n in CLASSES or n in RANGES or n.startswith('reaction_')]
    units = [unit for unit in UNITS if unit in header]
    if not quantities or not ({'start', 'end'} <= set(header) or units):
        raise ConfigError(
            f'{path} has the columns {", ".join(header) or "none"}; wanted start and end, or one of '
            f'{", ".join(UNITS)}, and one of {", ".join((*CLASSES, *RANGES))}'
        )
    rows = []
    for number, line in enumerate(lines[1:], 2):
        if not any(field.strip() for field in line):
            continue
        if len(line) != len(header):
            raise ConfigError(f'{path.name}, line {number}: {len(line)} fields; the header has {len(header)}')
        rows.append((f'{path.name}, line {number}', dict(zip(header, line, strict=True))))
    if not rows:
        raise ConfigError(f'{path} holds no labels, only a header')
    make = _segments if {'start', 'end'} <= set(header) else _points
    return make(path, rows, quantities, units)


def _segments(path: Path, rows: list, quantities: list[str], units: list[str]) -> Labels:
    notes: list[str] = []
    found: dict[tuple, list] = {}
    for where, row in rows:
        begin, end = (_finite(row[name], name, where) for name in ('start', 'end'))
        if end <= begin:
            raise ConfigError(f'{where}: the segment ends at {end:g} s, before it begins at {begin:g} s')
        for quantity in quantities:
            if row[quantity].strip():
                value = value_of(quantity, row[quantity], where)
                found.setdefault((*_who(path, row), quantity), []).append((begin, end, value))
    series = [
        from_segments(
            segments, notes, where=f'{path.name}, {quantity} of {person} by {annotator}',
            quantity=quantity, person=person, annotator=annotator,
        )
        for (person, annotator, quantity), segments in found.items()
    ]  # fmt: skip
    return Labels(tuple(series), tuple(notes))


def _points(path: Path, rows: list, quantities: list[str], units: list[str]) -> Labels:
    unit = units[0]
    files: dict[str, int] = {}
    found: dict[tuple, dict[float, float | np.ndarray]] = {}
    for where, row in rows:
        if unit == 'file':
            position = float(files.setdefault(row['file'].strip(), len(files)))
        else:
            position = _finite(row[unit], unit, where)
        person, annotator = _who(path, row)
        for quantity in quantities:
            _put(found, (person, annotator, quantity), position, value_of(quantity, row[quantity], where), where)
        if all(row.get(name, '').strip() for name in _BOX):
            # Boxes are of a person, whoever drew them.
            box = np.array([_finite(row[name], name, where) for name in _BOX])
            found.setdefault((person, '', BOX), {})[position] = box
    series: list[Series] = []
    for (person, annotator, quantity), points in found.items():
        if quantity == BOX or not all(math.isnan(v) for v in points.values()):
            names = {'person': person, 'annotator': annotator, 'quantity': quantity, 'where': path.name}
            series.append(from_points(unit, points, files=tuple(files), **names))
    return Labels(tuple(series))


def _put(found: dict, key: tuple, position: float, value: float, where: str) -> None:
    points = found.setdefault(key, {})
    if position in points:
        raise ConfigError(
            f'{where}: {key[2]} of person {key[0]!r} by {key[1]!r} is there already; give one line per frame'
        )
    points[position] = value


def _who(path: Path, row: dict[str, str]) -> tuple[str, str]:
    return row.get('person', '').strip() or '1', row.get('annotator', '').strip() or path.stem


def _finite(text: str, name: str, where: str, convert: Callable[[str], float] = float) -> float:
    try:
        value = convert(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f'{where}: {name} is {text!r}; wanted a number')
    return value
