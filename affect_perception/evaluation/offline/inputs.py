"""Several recordings to evaluate: found in folders, named apart, and known again by what they are."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.sources.bags.files import is_bag
from affect_perception.sources.folder import SUFFIXES, natural

VIDEOS = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.gif', '.m4v', '.mpg', '.mpeg', '.wmv', '.ogv', '.flv')


@dataclass(frozen=True)
class Input:
    """One recording: a bag, a video or a folder of images. `name` is unique among all, and fit for a folder's name."""

    name: str
    path: Path

    @property
    def files(self) -> list[Path]:
        if self.path.is_file():
            return [self.path]
        return sorted(file for file in self.path.rglob('*') if file.is_file())

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.stat().st_size for file in self.files)


def fingerprint(path: Path) -> list[tuple[str, int, int]]:
    """(name, bytes, time of change in ns) of every file; changes with the content, not with the place."""
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
    """A bag, a video, or a folder that holds images itself."""
    if is_bag(path):
        return True
    if path.is_file():
        return path.suffix.lower() in VIDEOS
    return path.is_dir() and any(file.suffix.lower() in SUFFIXES for file in path.iterdir())


def is_several(given: Sequence[str]) -> bool:
    """Whether more than one result is wanted: several inputs, or a folder of recordings."""
    path = Path(given[0]).expanduser()
    return len(given) > 1 or (path.is_dir() and not is_recording(path) and bool(_below(path)))


def find_inputs(given: Sequence[str], out: Path) -> list[Input]:
    """What is given, and what folders hold that are no recordings themselves, without repetition.

    What lies below `out` was written by us, and is left out. Raises ConfigError for what is not there and for folders
    without a recording.
    """
    found: dict[Path, None] = {}  # in order
    for text in given:
        path = Path(text).expanduser()
        if not path.exists():
            raise ConfigError(f'no file or folder {text!r}')
        inside = [path] if path.is_file() or is_recording(path) else _below(path)
        if not inside:
            raise ConfigError(f'no bag, video or image in folder {text!r}')
        found |= dict.fromkeys(p for item in inside if out.resolve() not in (p := item.resolve()).parents)
    return _named(list(found))


def _below(folder: Path) -> list[Path]:
    out = []
    for path in sorted(folder.iterdir(), key=lambda p: natural(p.name)):
        if path.name.startswith('.'):
            continue
        if is_recording(path):
            out.append(path)
        elif path.is_dir() and not path.is_symlink():
            out += _below(path)
    return out


def _named(paths: list[Path]) -> list[Input]:
    """Each by the last part of its path; where that is not unique, by its path from the common folder on."""
    count = Counter(path.name for path in paths)
    if len(paths) < 2:
        return [Input(path.name, path) for path in paths]
    root = Path(os.path.commonpath(paths))
    names = [p.name if count[p.name] == 1 else '__'.join(p.relative_to(root).parts) for p in paths]
    return [Input(name, path) for name, path in zip(names, paths, strict=True)]
