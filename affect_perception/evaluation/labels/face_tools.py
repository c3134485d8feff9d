"""Results of other face analysis programs as annotators: CSV files of OpenFace 2 and py-feat.

OpenFace (Baltrusaitis et al. 2018): AU12_r, 0 to 5, divided by 5 is the smile intensity; frames count from 1, and only
those with `success` are labelled. py-feat (Cheong et al. 2023): AU12, 0 to 1, is the smile intensity, the likeliest of
its emotions the expression. Faces are named `OpenFace 0` and so on: in OpenFace by face_id, in py-feat from left to
right in each frame; `reader.py` gives them the names of the people in other label files.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np

from affect_perception import expressions
from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.quantities import EXPRESSIONS
from affect_perception.evaluation.labels.series import BOX, Labels, series_from_points
from affect_perception.evaluation.labels.text import parse_number

TOOLS = ('OpenFace', 'py-feat')
_EMOTIONS = ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')
Row = dict[str, str]
Points = dict[tuple[str, str], dict[float, float | np.ndarray]]  # by face and quantity: position -> value


def tool_of(header: list[str]) -> str:
    """`OpenFace` or `py-feat` by the columns (lower case) of a table; '' for other tables."""
    if {'frame', 'success', 'au12_r'} <= set(header):
        return 'OpenFace'
    return 'py-feat' if {'facerectx', 'facescore', 'au12'} <= set(header) else ''


def read(path: Path, rows: list[list[str]]) -> Labels:
    """Read the rows of a table (header first); ConfigError names an unusable line."""
    header = [name.strip().lower() for name in rows[0]]
    tool = tool_of(header)
    lines = []
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise ConfigError(f'{path.name}, line {number}: {len(row)} fields; the header has {len(header)}')
        lines.append((f'{path.name}, line {number}', dict(zip(header, (f.strip() for f in row), strict=True))))
    read_rows: Callable[[list[tuple[str, Row]]], tuple[str, Points, tuple[str, ...]]]
    read_rows = _openface if tool == 'OpenFace' else _pyfeat
    unit, found, files = read_rows(lines)
    series = [
        series_from_points(unit, points, files=files, person=face, annotator=tool, quantity=quantity, where=path.name)
        for (face, quantity), points in found.items()
    ]
    if not any(s.quantity != BOX for s in series):
        raise ConfigError(f'{path} is a table of {tool} without a face')
    how = 'AU12_r / 5' if tool == 'OpenFace' else 'AU12'
    return Labels(tuple(series), (f'{path.name}: smile intensity of {tool} is {how}',))


def _openface(lines: list[tuple[str, Row]]) -> tuple[str, Points, tuple[str, ...]]:
    found: Points = defaultdict(dict)
    for where, row in lines:
        if _number(row, 'success', where) < 0.5:
            continue
        face = f'OpenFace {row.get("face_id", "0")}'
        frame = _number(row, 'frame', where) - 1
        found[face, 'smile_intensity'][frame] = min(max(_number(row, 'au12_r', where) / 5, 0.0), 1.0)
        if 'x_0' in row and 'y_67' in row:
            x, y = (np.array([_number(row, f'{axis}_{i}', where) for i in range(68)]) for axis in 'xy')
            found[face, BOX][frame] = np.array([x.min(), y.min(), np.ptp(x), np.ptp(y)])
    return 'frame', found, ()


def _pyfeat(lines: list[tuple[str, Row]]) -> tuple[str, Points, tuple[str, ...]]:
    files = tuple(dict.fromkeys(PurePosixPath(row.get('input', '').replace('\\', '/')).name for _, row in lines))
    by_frame: dict[float, list[tuple[float, str, Row]]] = defaultdict(list)
    for where, row in lines:
        if not math.isnan(parse_number(row['facerectx'])):  # nan: no face in this frame
            name = PurePosixPath(row.get('input', '').replace('\\', '/')).name
            at = float(files.index(name)) if len(files) > 1 else _number(row, 'frame', where)
            by_frame[at].append((_number(row, 'facerectx', where), where, row))
    found: Points = defaultdict(dict)
    for at, faces in by_frame.items():
        for i, (_, where, row) in enumerate(sorted(faces, key=lambda face: face[0])):
            face = f'py-feat {i}'
            found[face, 'smile_intensity'][at] = min(max(_number(row, 'au12', where), 0.0), 1.0)
            present = {name: parse_number(row[name]) for name in _EMOTIONS if name in row}
            present = {name: value for name, value in present.items() if not math.isnan(value)}
            if present:
                best = max(present, key=present.__getitem__)
                found[face, 'expression'][at] = float(EXPRESSIONS.index(expressions.expression_name(best)))
            box = [_number(row, f'facerect{name}', where) for name in ('x', 'y', 'width', 'height')]
            found[face, BOX][at] = np.array(box)
    return ('file' if len(files) > 1 else 'frame'), found, files if len(files) > 1 else ()


def _number(row: Row, name: str, where: str) -> float:
    value = parse_number(row.get(name, ''))
    if math.isnan(value):
        raise ConfigError(f'{where}: {name} is {row.get(name, "")!r}; wanted a number')
    return value
