"""Recordings to evaluate: found in folders, given unique names, and identified by a fingerprint of their files."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.sources.bags.files import is_bag
from affect_perception.sources.folder import SUFFIXES, natural_sort_key

VIDEOS = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.gif', '.m4v', '.mpg', '.mpeg', '.wmv', '.ogv', '.flv')


@dataclass(frozen=True)
class Input:
    """One recording: a bag, a video or a folder of images; `name` is unique and can name a folder."""

    name: str
    path: Path

    @property
    def files(self) -> list[Path]:
        """All files of the recording, sorted."""
        if self.path.is_file():
            return [self.path]
        return sorted(file for file in self.path.rglob('*') if file.is_file())

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return sum(file.stat().st_size for file in self.files)


def fingerprint(path: Path) -> list[tuple[str, int, int]]:
    """(relative name, bytes, modification time in ns) of every file: independent of where the recording lies."""
    out = []
    for file in Input('', path).files:
        about = file.stat()
        out.append((str(file.relative_to(path)) if file != path else file.name, about.st_size, about.st_mtime_ns))
    return out


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open('rb') as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def is_recording(path: Path) -> bool:
    """Whether `path` is a bag, a video, or a folder that directly holds images."""
    if is_bag(path):
        return True
    if path.is_file():
        return path.suffix.lower() in VIDEOS
    return path.is_dir() and any(file.suffix.lower() in SUFFIXES for file in path.iterdir())


def is_several(given: Sequence[str]) -> bool:
    """Whether the arguments mean a batch: several inputs, or a folder of recordings."""
    path = Path(given[0]).expanduser()
    return len(given) > 1 or (path.is_dir() and not is_recording(path) and bool(_find_below(path)))


def find_inputs(given: Sequence[str], out: Path) -> list[Input]:
    """Find the recordings among `given` paths, searching folders; each once, in order.

    Paths below `out` are results of this package and are skipped. Raises ConfigError for a missing path and for a
    folder without a recording.
    """
    found: dict[Path, None] = {}  # in order
    for text in given:
        path = Path(text).expanduser()
        if not path.exists():
            raise ConfigError(f'no file or folder {text!r}')
        inside = [path] if path.is_file() or is_recording(path) else _find_below(path)
        if not inside:
            raise ConfigError(f'no bag, video or image in folder {text!r}')
        found |= dict.fromkeys(p for item in inside if out.resolve() not in (p := item.resolve()).parents)
    return _named(list(found))


def _find_below(folder: Path) -> list[Path]:
    out = []
    for path in sorted(folder.iterdir(), key=lambda p: natural_sort_key(p.name)):
        if path.name.startswith('.'):
            continue
        if is_recording(path):
            out.append(path)
        elif path.is_dir() and not path.is_symlink():
            out += _find_below(path)
    return out


def _named(paths: list[Path]) -> list[Input]:
    """Name each by the last part of its path; where that is not unique, by its path from the common folder on."""
    count = Counter(path.name for path in paths)
    if len(paths) < 2:
        return [Input(path.name, path) for path in paths]
    root = Path(os.path.commonpath(paths))
    names = [p.name if count[p.name] == 1 else '__'.join(p.relative_to(root).parts) for p in paths]
    return [Input(name, path) for name, path in zip(names, paths, strict=True)]
