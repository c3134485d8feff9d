"""Text files that are whole whatever happens: a full disk or a killed program leaves no half line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from affect_perception.errors import AffectPerceptionError


class LineFile:
    """Writes lines to `path` at once, unbuffered. Where the disk fills up, the lines written so far stay whole."""

    def __init__(self, path: Path):
        self._path = path
        try:
            self._file = path.open('wb', buffering=0)
        except OSError as error:
            raise AffectPerceptionError(f'{path} cannot be written: {error.strerror}') from None
        self._whole = 0  # bytes up to the end of the last whole line
        self._lines = 0

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def write(self, text: str) -> None:
        """Whole lines only. Raises AffectPerceptionError when they do not fit."""
        left = text.encode()
        while left:
            try:
                count = self._file.write(left)
            except OSError as error:
                self._file.truncate(self._whole)
                raise AffectPerceptionError(
                    f'{self._path} cannot be written on: {error.strerror}; its {self._lines} lines are whole. '
                    'Make room and run the command again'
                ) from None
            self._lines += left.count(b'\n', 0, count)
            end = self._file.tell()
            if (last := left.rfind(b'\n', 0, count)) >= 0:
                self._whole = end - count + last + 1
            left = left[count:]

    def rows(self, rows: Iterable[Iterable]) -> None:
        """Rows of a CSV table."""
        text = io.StringIO()
        csv.writer(text, lineterminator='\n').writerows(rows)
        self.write(text.getvalue())
