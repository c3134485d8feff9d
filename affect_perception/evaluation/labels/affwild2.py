"""Labels of Aff-Wild2 (Kollias & Zafeiriou 2018): one text file per person of a video, one line per frame.

The first line names the columns: `valence,arousal` (numbers in [-1, 1], -5 for a frame that is not labelled) or the
expressions (their index from 0, -1 for not labelled). The file is named as the video, with `_left` or
`_right` where two people are in it.
"""

from __future__ import annotations

import math
from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.quantities import CLASSES, parse_value
from affect_perception.evaluation.labels.series import Labels, series_from_points
from affect_perception.evaluation.labels.text import parse_number, read_text

_ABSENT = -5.0


def read(path: Path) -> Labels:
    """Read valence and arousal, or expressions, of one person; ConfigError names an unusable line."""
    lines = read_text(path).splitlines()
    header = [name.strip().lower() for name in lines[0].split(',')] if lines else []
    person = next((side for side in ('left', 'right') if path.stem.endswith(f'_{side}')), '1')
    columns: list[tuple[float, ...]]
    if header == ['valence', 'arousal']:
        columns = [_parse_affect(f'{path.name}, line {n}', line) for n, line in enumerate(lines[1:], 2) if line.strip()]
        quantities: tuple[str, ...] = ('valence', 'arousal')
    elif len(header) > 2 and all(name in CLASSES['expression'] for name in header):
        columns = [
            _parse_class(f'{path.name}, line {n}', line, header) for n, line in enumerate(lines[1:], 2) if line.strip()
        ]
        quantities = ('expression',)
    else:
        raise ConfigError(
            f'{path} begins with {lines[0] if lines else ""!r}; wanted `valence,arousal` or the names of expressions, '
            'as in Aff-Wild2'
        )
    series = []
    for i, quantity in enumerate(quantities):
        points = {float(frame): values[i] for frame, values in enumerate(columns)}
        if points and not all(map(math.isnan, points.values())):
            names = {'person': person, 'annotator': 'Aff-Wild2', 'quantity': quantity, 'where': path.name}
            series.append(series_from_points('frame', points, **names))
    return Labels(tuple(series), () if series else (f'{path.name} labels no frame',))


def _parse_affect(where: str, line: str) -> tuple[float, ...]:
    fields = line.split(',')
    if len(fields) != 2:
        raise ConfigError(f'{where}: {line!r}; wanted valence,arousal')
    values = [parse_number(field) for field in fields]
    if any(map(math.isnan, values)):
        raise ConfigError(f'{where}: {line!r}; wanted two numbers')
    if _ABSENT in values:
        return math.nan, math.nan
    return tuple(parse_value(name, field, where) for name, field in zip(('valence', 'arousal'), fields, strict=True))


def _parse_class(where: str, line: str, header: list[str]) -> tuple[float]:
    word = line.strip()
    if word == '-1':
        return (math.nan,)
    if not word.isdecimal() or int(word) >= len(header):
        raise ConfigError(f'{where}: {word!r}; wanted -1 or 0 to {len(header) - 1}')
    return (parse_value('expression', header[int(word)], where),)
