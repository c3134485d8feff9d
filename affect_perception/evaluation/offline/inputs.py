"""Recordings to evaluate: found in folders, given unique names, and identified by a fingerprint of their files."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.runtime.files import text_of_name
from affect_perception.runtime.masking import masked
from affect_perception.sources.bags.files import is_bag
from affect_perception.sources.file_kinds import (
    BAG,
    FOLDER,
    IMAGE,
    LEFT_OUT,
    VIDEO,
    FileStatus,
    kind_of,
)
from affect_perception.sources.folder import natural_sort_key


@dataclass(frozen=True)
class Input:
    """One recording: a bag, a video or the images of a folder; `name` is unique and can name a folder."""

    name: str
    path: Path

    @property
    def files(self) -> list[Path]:
        """All files of the recording, sorted."""
        if self.path.is_file():
            return [self.path]
        if is_bag(self.path):
            return sorted(file for file in self.path.rglob('*') if file.is_file())
        return sorted(file for file in self.path.iterdir() if kind_of(file).kind == IMAGE)

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


def check_recording(given: str) -> None:
    """Refuse an input that is no file or folder, before network and detector are loaded: ConfigError."""
    if Path(given).expanduser().exists():
        return
    if (
        given in ('auto', 'scene', 'realsense')
        or given.startswith(('camera:', 'realsense:', 'topic:'))
        or '://' in given
    ):
        raise ConfigError(f'cannot evaluate {masked(given)!r}: give a video file, a bag or a folder of images')
    raise ConfigError(f'no file or folder {text_of_name(given)!r}')


@dataclass(frozen=True)
class FoundInputs:
    """Recordings found among the given paths, and the files and folders that are none, with the reason."""

    inputs: list[Input]
    left_out: list[FileStatus]


def is_several(given: Sequence[str]) -> bool:
    """Whether the arguments mean a batch: several inputs, or a folder of recordings.

    A folder of images alone is one recording, also with other files or folders beside them.
    """
    path = Path(given[0]).expanduser()
    if len(given) > 1:
        return True
    if not path.is_dir() or is_bag(path):
        return False
    kinds = {kind_of(child).kind for child in _children(path)}
    if IMAGE in kinds:
        return bool(kinds & {VIDEO, BAG})
    return bool(kinds & {VIDEO, BAG}) or bool(_find_below(path)[0])


def find_inputs(given: Sequence[str], out: Path) -> FoundInputs:
    """Find the recordings among `given` paths, searching folders; each once, in order.

    The images of a folder are one recording. Paths below `out` are results of this package and are skipped. Raises
    ConfigError for a missing path and for a folder without a recording.
    """
    found: dict[Path, None] = {}  # in order
    others: dict[Path, str] = {}
    results = out.resolve()
    for text in given:
        path = Path(text).expanduser()
        if not path.exists():
            raise ConfigError(f'no file or folder {text_of_name(text)!r}')
        inside, left_out = _find_below(path) if path.is_dir() and not is_bag(path) else ([path], {})
        if not inside:
            reasons = '; '.join(f'{text_of_name(p.name)} {reason}' for p, reason in list(left_out.items())[:3])
            text = f'no bag, video or image in folder {text_of_name(text)!r}'
            raise ConfigError(f'{text} ({len(left_out)} files: {reasons})' if reasons else text)
        found |= dict.fromkeys(p for item in inside if results not in (p := item.resolve()).parents)
        others |= {p: why for item, why in left_out.items() if results not in (p := item.resolve()).parents}
    root = Path(os.path.commonpath([*found, *others])) if len(found) + len(others) > 1 else None
    left = [FileStatus(_relative(path, root), LEFT_OUT, reason) for path, reason in others.items() if path not in found]
    return FoundInputs(_named(list(found)), left)


def _relative(path: Path, root: Path | None) -> str:
    return text_of_name(path.relative_to(root) if root is not None and path != root else path.name)


def _find_below(folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """Recordings in a folder and the folders below it, and the other files with the reason."""
    found: list[Path] = []
    others: dict[Path, str] = {}
    images = False
    for path in _children(folder):
        kind = kind_of(path)
        if kind.kind == IMAGE:
            if not images:
                found.append(folder)
            images = True
        elif kind.kind in (VIDEO, BAG):
            found.append(path)
        elif kind.kind == FOLDER and not path.is_symlink():
            below, more = _find_below(path)
            found += below
            others |= more
        else:
            others[path] = kind.reason or 'is a link to a folder'
    return found, others


def _children(folder: Path) -> list[Path]:
    """Files and folders in a folder, in natural order of their names."""
    try:
        return sorted(folder.iterdir(), key=lambda p: natural_sort_key(p.name))
    except OSError as error:
        raise ConfigError(f'folder {text_of_name(folder)!r} cannot be read: {error.strerror}') from None


def _named(paths: list[Path]) -> list[Input]:
    """Name each by the last part of its path; where that is not unique, by its path from the common folder on."""
    names = [text_of_name(path.name) for path in paths]
    count = Counter(names)
    if len(paths) < 2:
        return [Input(name, path) for name, path in zip(names, paths, strict=True)]
    root = Path(os.path.commonpath(paths))
    names = [
        name if count[name] == 1 else text_of_name('__'.join(path.relative_to(root).parts) or path.name)
        for name, path in zip(names, paths, strict=True)
    ]
    return [Input(name, path) for name, path in zip(names, paths, strict=True)]
