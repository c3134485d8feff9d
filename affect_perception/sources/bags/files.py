"""Recognise rosbags on disk by names and metadata; needs no package for bags."""

from __future__ import annotations

import stat
from pathlib import Path

from affect_perception.sources.folder import natural_sort_key

STORAGE = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')
SUFFIXES = ('.bag', '.bag.active', *STORAGE)
METADATA = 'metadata.yaml'


def is_bag(path: Path) -> bool:
    """Whether `path` is a rosbag: a file by its name, a folder by its content."""
    if path.is_dir():
        return has_metadata(path) or _unfinished(path)
    return path.name.lower().endswith(SUFFIXES)


def has_metadata(folder: Path) -> bool:
    """Whether a folder is a finished rosbag2 recording."""
    try:
        return stat.S_ISREG((folder / METADATA).stat().st_mode) and b'rosbag2_bagfile_information' in _start(folder)
    except OSError:
        return False


def _start(folder: Path) -> bytes:
    with (folder / METADATA).open('rb') as file:
        return file.read(4096)


def _unfinished(folder: Path) -> bool:
    """Whether a folder holds files named as rosbag2 names them, without metadata: recording was cut off."""
    files = storage_files(folder)
    stems = {file.name.split('.')[0] for file in files}
    return bool(files) and all(s == folder.name or s.rpartition('_')[0] == folder.name for s in stems)


def storage_files(folder: Path) -> list[Path]:
    """The rosbag2 files of a folder in natural order of their names."""
    files = [file for file in folder.iterdir() if file.name.lower().endswith(STORAGE) and file.is_file()]
    return sorted(files, key=lambda file: natural_sort_key(file.name))
