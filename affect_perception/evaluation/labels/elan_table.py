"""Labels from ELAN's tab-delimited export: one annotation per line, with or without a header.

Columns are the tier, the participant, begin, end and duration in any of ELAN's formats (hh:mm:ss.ms, ss.msec, msec),
and the value. With a header they may be in any order, and each tier may have a column of its own. Tiers are named as in
.eaf files.
"""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.elan import tier_key
from affect_perception.evaluation.labels.quantities import QUANTITIES, parse_value
from affect_perception.evaluation.labels.series import Labels, series_from_segments
from affect_perception.evaluation.labels.text import parse_number, parse_time_s, read_text

_FORMATS = (r'\d+:\d\d:\d\d\.\d+', r'\d+\.\d+', r'\d+')  # hh:mm:ss.ms, ss.msec, msec
Row = tuple[str, str, str, float, float, str]  # place, tier, participant, begin and end in s, value


def is_elan_table(text: str) -> bool:
    """Whether a text is such an export, by its first line."""
    lines = _lines(text)
    if not lines:
        return False
    fields = [field.strip().lower() for field in lines[0][1]]
    return any(f.startswith('begin time') for f in fields) or _times(lines[0][1]) is not None


def read(path: Path) -> Labels:
    """Read the tiers whose names begin with a quantity; ConfigError for an unusable line or no such tier."""
    lines = _lines(read_text(path))
    header = [field.strip() for field in lines[0][1]] if lines else []
    named = any(f.lower().startswith('begin time') for f in header)
    rows = _named_rows(path, header, lines[1:]) if named else _bare_rows(path, lines)
    notes: list[str] = []
    segments: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    keys = {tier: tier_key(tier, path, notes) for tier in dict.fromkeys(row[1] for row in rows)}
    for where, tier, participant, begin, end, value in rows:
        key = keys[tier]
        if key is None:
            continue
        if not begin < end:
            raise ConfigError(f'{where}: the segment ends at {end:g} s, not after its beginning at {begin:g} s')
        segments.setdefault((tier, participant), []).append((begin, end, parse_value(key[0], value, where)))
    series = []
    for (tier, participant), each in segments.items():
        quantity, person, annotator = keys[tier] or ('', '', '')
        series.append(
            series_from_segments(
                each,
                notes,
                where=f'{path.name}, tier {tier!r}',
                quantity=quantity,
                person=person or participant or '1',
                annotator=annotator or path.stem,
            )
        )
    if not series:
        raise ConfigError(
            f'{path} has no tier named QUANTITY@PERSON@ANNOTATOR (QUANTITY: {", ".join(QUANTITIES)}); '
            f'its tiers: {", ".join(map(repr, keys)) or "none"}'
        )
    notes.append(f'{path.name}: times of an exported table are taken as seconds since the first frame')
    return Labels(tuple(series), tuple(notes))


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """(number from 1, fields) of each line, without blank lines and the file names before the table."""
    rows = enumerate(csv.reader(text.splitlines(), delimiter='\t', quoting=csv.QUOTE_NONE), 1)
    return [(n, row) for n, row in rows if any(f.strip() for f in row) and not row[0].strip('" ').startswith('#')]


def _times(fields: list[str]) -> tuple[float, float] | None:
    """Begin and end in s: the first two fields in the first of ELAN's formats that two fields have."""
    for i, form in enumerate(_FORMATS):
        found = [field.strip() for field in fields[1:-1] if re.fullmatch(form, field.strip(), re.ASCII)]
        if len(found) > 1:
            scale = 1e-3 if i == 2 else 1.0
            begin, end = (parse_time_s(field) * scale for field in found[:2])
            return begin, end
    return None


def _bare_rows(path: Path, lines: list[tuple[int, list[str]]]) -> list[Row]:
    rows = []
    for number, fields in lines:
        times = _times(fields)
        if times is None:
            raise ConfigError(
                f'{path.name}, line {number}: no begin and end; '
                'wanted tier, participant, begin, end, value, separated by tabs'
            )
        participant = fields[1].strip() if len(fields) > 2 and math.isnan(parse_time_s(fields[1])) else ''
        rows.append((f'{path.name}, line {number}', fields[0].strip(), participant, *times, fields[-1]))
    return rows


def _named_rows(path: Path, header: list[str], lines: list[tuple[int, list[str]]]) -> list[Row]:
    lower = [name.lower() for name in header]
    begin, end = (_time_column(path, lower, name) for name in ('begin time', 'end time'))
    values = [i for i, name in enumerate(lower) if name in ('annotation', 'value', 'annotation value')]
    tier = lower.index('tier') if 'tier' in lower else None
    participant = lower.index('participant') if 'participant' in lower else None
    about = {'tier', 'participant', 'annotator'}
    if tier is not None and not values:
        values = [len(header) - 1]
    if tier is None:  # a column per tier
        values = [
            i for i, n in enumerate(lower) if n not in about and ' time' not in n and not n.startswith('duration')
        ]
    rows: list[Row] = []
    for number, fields in lines:
        fields = fields + [''] * (len(header) - len(fields))
        where = f'{path.name}, line {number}'
        at = [_seconds(fields[i], lower[i], where) for i in (begin, end)]
        who = fields[participant].strip() if participant is not None else ''
        for i in values:
            if tier is not None or fields[i].strip():
                rows.append(
                    (where, fields[tier].strip() if tier is not None else header[i], who, at[0], at[1], fields[i])
                )
    return rows


def _time_column(path: Path, header: list[str], name: str) -> int:
    for form in ('hh:mm:ss.ms', 'ss.msec', 'msec'):
        if f'{name} - {form}' in header:
            return header.index(f'{name} - {form}')
    raise ConfigError(f'{path} has no column {name!r} in hh:mm:ss.ms, ss.msec or msec; export one of these from ELAN')


def _seconds(text: str, column: str, where: str) -> float:
    value = parse_number(text) * 1e-3 if column.endswith('- msec') else parse_time_s(text)
    if math.isnan(value):
        raise ConfigError(f'{where}: {column} is {text!r}; wanted a time')
    return value
