"""Files that are made once and kept in a cache, each with its checksum: what does not fit its checksum is made anew."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_BLOCK = 2**20


def cache_folder() -> Path:
    """Folder `affect_perception` of $XDG_CACHE_HOME or ~/.cache; a temporary one where that cannot be written."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    folder = Path(base) / 'affect_perception'
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return temporary_folder()


@functools.cache
def temporary_folder() -> Path:
    """The one temporary folder of this process, removed when the process exits."""
    folder = Path(tempfile.mkdtemp(prefix='affect_perception-'))
    owner = os.getpid()  # a forked child must not remove it

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def kept(path: Path, make: Callable[[Path], object]) -> Path:
    """Return `path`, whole by its checksum; else `make(part)` writes it anew first, to a file beside it.

    Raises what `make` raises, and OSError where the folder cannot be written; then nothing half made is left.
    """
    if is_whole(path):
        return path
    part = path.with_suffix(f'.{os.getpid()}.part')
    try:
        make(part)
        digest = sha256(part)
        os.replace(part, path)
        _checksum_file(path).write_text(f'{digest}\n')
    finally:
        part.unlink(missing_ok=True)
    return path


def is_whole(path: Path) -> bool:
    """Whether a file is there and fits its checksum."""
    try:
        return _checksum_file(path).read_text().strip() == sha256(path)
    except (OSError, UnicodeDecodeError):
        return False


def discard(path: Path) -> None:
    """Remove a file that turned out to be of no use, so that it is made anew."""
    _checksum_file(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _checksum_file(path: Path) -> Path:
    return path.with_name(f'{path.name}.sha256')
