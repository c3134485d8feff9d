"""Names of files as text; text files that stay complete up to the last whole line, also on a full disk."""

from __future__ import annotations

import csv
import errno
import io
import os
import select
import stat
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from affect_perception.errors import AffectPerceptionError, ConfigError

_PIPE_S = 10.0  # from the opening to the end of a pipe
_PIECE = 2**20  # bytes


def text_of_name(path: Path | str) -> str:
    """Name or path as text that can be printed and written: bytes that are no UTF-8 are taken for Latin-1."""
    given = os.fspath(path)
    try:
        given.encode()
    except UnicodeEncodeError:  # Python keeps such bytes of the file system as lone surrogates
        return os.fsencode(given).decode('latin-1')
    return given


def read_file(path: Path | str, most: int = 64 * 2**20) -> bytes:
    """Content of a file of at most `most` bytes; of a pipe or device, what comes within _PIPE_S.

    OSError, with a reason, for a larger one and for a pipe that is not ended by then: a plain read of a pipe without a
    writer or of /dev/zero has no end.
    """
    with open(os.open(path, os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0)), 'rb', buffering=0) as file:
        about = os.fstat(file.fileno())
        if stat.S_ISDIR(about.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        regular, end_s = stat.S_ISREG(about.st_mode), time.monotonic() + _PIPE_S
        data = bytearray()
        while about.st_size <= most and len(data) <= most:
            if not regular and not select.select([file], [], [], max(end_s - time.monotonic(), 0))[0]:
                raise OSError(errno.ETIMEDOUT, f'not ended within {_PIPE_S:g} s', str(path))
            piece = file.read(_PIECE)
            if not piece:
                return bytes(data)
            data += piece
    raise OSError(errno.EFBIG, f'larger than {most >> 20} MB', str(path))


def read_text_file(path: Path | str, most: int = 64 * 2**20, encoding: str = 'utf-8-sig') -> str:
    """Text of a file, as `read_file`; UnicodeDecodeError, a ValueError, for other bytes."""
    return read_file(path, most).decode(encoding).replace('\r\n', '\n')


def make_folder(out: Path) -> None:
    """Make the folder of the results and try to write in it; ConfigError where that fails."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ConfigError(f'cannot write to {text_of_name(out)}: {error.strerror}; give another --out') from None


def check_new_path(flag: str, path: Path) -> None:
    """Refuse a file or folder to be made that exists, or where nothing can be made; `flag` is the one that names it."""
    if path.exists():
        raise ConfigError(f'{text_of_name(path)} exists already; give another {flag}, or remove it')
    place = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryDirectory(dir=place):
            pass
    except OSError as error:
        raise ConfigError(f'cannot write {text_of_name(path)}: {error.strerror}; give another {flag}') from None


class LineFile:
    """Write whole lines to `path`, unbuffered; on a full disk the file is cut back to its last whole line.

    Context manager. Raises AffectPerceptionError when the file cannot be opened or a write does not fit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open('wb', buffering=0)
        except OSError as error:
            raise AffectPerceptionError(f'{text_of_name(path)} cannot be written: {error.strerror}') from None
        self._whole = 0  # bytes up to the end of the last whole line
        self._lines = 0

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, text: str) -> None:
        """Append `text`, which must be whole lines. Raises AffectPerceptionError when the text does not fit."""
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

    def rows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Append `rows` as CSV lines."""
        text = io.StringIO()
        csv.writer(text, lineterminator='\n').writerows(rows)
        self.write(text.getvalue())
