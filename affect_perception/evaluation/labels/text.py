"""Text of label files: character encoding, delimiter, numbers and times."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Collection
from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.runtime.files import read_file

_LARGEST = 2**31  # bytes: OpenFace writes 700 columns for each image
_DELIMITERS = ',;\t'
_NUMBER = re.compile(r'[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?', re.IGNORECASE | re.ASCII)  # one way to match: linear
_CLOCK = re.compile(r'(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)', re.ASCII)


def read_text(path: Path) -> str:
    """Text of a file in UTF-8 or UTF-16, else taken as cp1252; ConfigError for an unreadable or a binary file.

    UTF-16 is recognised by its byte order mark, or by a NUL in every second byte of the beginning.
    """
    try:
        data = read_file(path, _LARGEST)
    except OSError as error:
        raise ConfigError(f'{path} cannot be read: {error.strerror}') from None
    if data.startswith((b'\xff\xfe', b'\xfe\xff')):
        encodings = ['utf-16']
    elif data[1:40:2].count(0) > 10 or data[0:40:2].count(0) > 10:
        encodings = ['utf-16-le' if data[1:2] == b'\0' else 'utf-16-be']
    else:
        encodings = ['utf-8-sig', 'cp1252']
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if '\0' not in text:
            return text
    raise ConfigError(f'{path} cannot be read as text; wanted UTF-8, UTF-16 or Windows-1252 (cp1252)')


def read_table(path: Path, known: Collection[str]) -> tuple[list[list[str]], str]:
    """(rows of fields, delimiter) of a table; the delimiter is that of `,`, `;`, tab giving most `known` columns.

    `known` are names in lower case. In a table with `;` or tabs a decimal comma is a decimal point. ConfigError for a
    file that cannot be read.
    """
    text = read_text(path)
    first = next((line for line in text.splitlines() if line.strip()), '')
    delimiter = max(_DELIMITERS, key=lambda d: sum(n.strip().strip('"').lower() in known for n in first.split(d)))
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
    except csv.Error as error:
        raise ConfigError(f'{path} cannot be read as CSV: {error}') from None
    while rows and not any(field.strip() for field in rows[0]):
        rows = rows[1:]
    if delimiter != ',':
        rows = [[re.sub(r'^(\s*[+-]?\d+),(\d+\s*)$', r'\1.\2', field) for field in row] for row in rows]
    return rows, delimiter


def parse_number(text: str) -> float:
    """Finite number of a text such as `1.5` or `1e-3`; NaN for any other text, `nan`, `inf` and `1e999` included."""
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    return value if math.isfinite(value) else math.nan


def parse_time_s(text: str) -> float:
    """Seconds of `12.5`, `mm:ss.ms` or `hh:mm:ss.ms`; NaN for any other text."""
    clock = _CLOCK.fullmatch(text.strip().replace(',', '.'))
    if clock is None:
        return parse_number(text)
    hours, minutes, seconds = int(clock[1] or 0), int(clock[2]), float(clock[3])
    return math.nan if seconds >= 60 or minutes >= 60 else hours * 3600 + minutes * 60 + seconds
