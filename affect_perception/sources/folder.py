"""A folder of images, or a single one, in natural order of the names (2.jpg before 10.jpg)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from affect_perception.core.images.compressed import FILES, decode_photo
from affect_perception.core.images.heif import decode_heif
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.runtime.files import text_of_name
from affect_perception.settings import SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.file_kinds import (
    FAILED,
    IMAGE,
    READ,
    FileKind,
    FileStatus,
    kind_of,
    statuses_of,
)
from affect_perception.types import Frame


def natural_sort_key(name: str) -> list[tuple[int, int, str]]:
    """Key for natural order: digits in a name compare as numbers."""
    parts = [part for part in re.split(r'(\d{1,1000})', name, flags=re.ASCII) if part]
    return [(0, int(part), '') if part.isascii() and part.isdigit() else (1, 0, part.lower()) for part in parts]


class ImageFolder:
    """Source of the images of a folder, found by content: image i of `files` is stamped round(i · 1e9 / fps) ns.

    Sizes may differ; EXIF orientation is applied, and photos larger than 7680×4320 px are halved while decoding. An
    unusable image is reported to `on_bad` and skipped; the stamps of the others stay. With `settings.loop` playback
    restarts at the end and stamps go on. `file_statuses` tells what became of every file of the folder. Raises
    ConfigError for a folder without images.
    """

    live = False
    size = None
    dropped = 0
    lap_ns = 0  # added to the stamps in this pass over a looped folder

    def __init__(self, path: Path, settings: SourceSettings, on_bad: BadInputCallback) -> None:
        self.name = text_of_name(path.name)
        self.fps = settings.fps
        self._others: list[tuple[Path, FileKind]] = []
        self._paths = [path] if path.is_file() else self._find_images(path)
        self.files = tuple(text_of_name(p.name) for p in self._paths)
        self.length = len(self.files)
        self._notes: dict[str, FileStatus] = {}
        self._loop, self._frame_id, self._on_bad = settings.loop, settings.frame_id, on_bad
        self._closed = False
        if path.is_file():
            try:
                self._read(path)
            except BadInputError as error:
                raise ConfigError(str(error)) from None

    def _find_images(self, path: Path) -> list[Path]:
        try:
            kinds = [(p, kind_of(p)) for p in sorted(path.iterdir(), key=lambda p: natural_sort_key(p.name))]
        except OSError as error:
            raise ConfigError(f'folder {text_of_name(path)!r} cannot be read: {error.strerror}') from None
        self._others = [(p, kind) for p, kind in kinds if kind.kind != IMAGE]
        images = [p for p, kind in kinds if kind.kind == IMAGE]
        if not images:
            reasons = '; '.join(f'{s.file} {s.reason}' for s in statuses_of(self._others)[:3])
            text = f'no images in folder {text_of_name(path)!r}; wanted {", ".join(FILES)}, heif or avif'
            raise ConfigError(f'{text} ({len(kinds)} files: {reasons})' if reasons else text)
        return images

    @property
    def file_statuses(self) -> list[FileStatus]:
        """Status of every file of the folder, as far as it has been read."""
        read = [self._notes.get(name, FileStatus(name, READ)) for name in self.files]
        return read + statuses_of(self._others)

    def file_of(self, stamp_ns: int) -> str:
        """Name of the file of the frame with this stamp."""
        return self.files[round(stamp_ns * self.fps / 1e9) % len(self.files)]

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while not self._closed:
            good, self.lap_ns = 0, round(index * 1e9 / self.fps)
            for path, name in zip(self._paths, self.files, strict=True):
                if self._closed:
                    return
                try:
                    frame = Frame(round(index * 1e9 / self.fps), self._frame_id, self._read(path))
                except BadInputError as error:
                    self._notes[name] = FileStatus(name, FAILED, str(error))
                    self._on_bad(error)
                else:
                    good += 1
                    yield frame
                index += 1
            if not self._loop or not good:
                return

    def _read(self, path: Path) -> np.ndarray:
        name = text_of_name(path)
        try:
            data = path.read_bytes()
            if data[4:8] == b'ftyp':
                return decode_heif(data)
            return decode_photo(data, path.suffix[1:])
        except BadInputError as error:
            raise BadInputError(error.kind, f'{name}: {error}') from None
        except OSError as error:
            raise BadInputError('data', f'{name} cannot be read: {error.strerror}') from None

    def close(self) -> None:
        """End the iteration after the current image."""
        self._closed = True
