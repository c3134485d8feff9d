"""A folder of images, or a single one, in natural order of the names (2.jpg before 10.jpg)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from affect_perception.core.images.compressed import FILES, decode_compressed
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.types import Frame

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm')


def natural_sort_key(name: str) -> list[tuple[int, int, str]]:
    """Key for natural order: digits in a name compare as numbers."""
    parts = [part for part in re.split(r'(\d{1,1000})', name, flags=re.ASCII) if part]
    return [(0, int(part), '') if part.isascii() and part.isdigit() else (1, 0, part.lower()) for part in parts]


class ImageFolder:
    """Source of the images of a folder: image i of `files` is stamped round(i · 1e9 / fps) ns.

    Sizes may differ; EXIF orientation is applied. An unusable image is reported to `on_bad` and skipped; the stamps of
    the others stay. With `settings.loop` playback restarts at the end and stamps go on. Raises ConfigError for a folder
    without images.
    """

    live = False
    size = None
    dropped = 0

    def __init__(self, path: Path, settings: SourceSettings, on_bad: BadInputCallback) -> None:
        self.name = path.name
        self.fps = settings.fps
        paths = (
            [path] if path.is_file() else [p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
        )
        self._paths = sorted(paths, key=lambda p: natural_sort_key(p.name))
        if not self._paths:
            raise ConfigError(f'no images in folder {str(path)!r}; wanted files ending in {", ".join(SUFFIXES)}')
        self.files = tuple(p.name for p in self._paths)
        self.length = len(self.files)
        self._loop, self._frame_id, self._on_bad = settings.loop, settings.frame_id, on_bad
        self._closed = False
        if path.is_file():
            try:
                self._read(path)
            except BadInputError as error:
                raise ConfigError(str(error)) from None

    def file_of(self, stamp_ns: int) -> str:
        """Name of the file of the frame with this stamp."""
        return self.files[round(stamp_ns * self.fps / 1e9) % len(self.files)]

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while not self._closed:
            good = 0
            for path in self._paths:
                if self._closed:
                    return
                try:
                    frame = Frame(round(index * 1e9 / self.fps), self._frame_id, self._read(path))
                except BadInputError as error:
                    self._on_bad(error)
                else:
                    good += 1
                    yield frame
                index += 1
            if not self._loop or not good:
                return

    def _read(self, path: Path) -> np.ndarray:
        try:
            return decode_compressed(path.read_bytes(), path.suffix[1:], FILES)
        except BadInputError as error:
            raise BadInputError(error.kind, f'{path}: {error}') from None
        except OSError as error:
            raise BadInputError('data', f'{path} cannot be read: {error.strerror}') from None

    def close(self) -> None:
        """End the iteration after the current image."""
        self._closed = True
