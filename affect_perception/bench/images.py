"""Images for the comparison of detectors: files, every n-th frame of clips, and copies of one free photograph.

Deterministic: equal files give equal pixels, so that results can be cached by the hash of the pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from affect_perception.errors import ConfigError

IMAGES = {'.jpg', '.jpeg', '.png', '.bmp', '.webp'}
CLIPS = {'.mp4', '.avi', '.mkv', '.mov', '.webm', '.gif'}


def images(paths: Iterable[str], every: int = 5, max_width: int = 1280) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, (H, W, 3) uint8 RGB) of each image and every `every`-th frame of each clip; folders are searched.

    Images wider than `max_width` px are scaled down to it. The word `astronaut` means `astronaut_copies()`. Raises
    ConfigError for a missing path and for one without images.
    """
    for files in [_files(given) for given in paths]:  # all of them first: a wrong path is refused before the work
        if files is None:
            yield from astronaut_copies()
            continue
        for file in files:
            for name, bgr in _frames(file, every):
                yield name, cv2.cvtColor(_at_most(bgr, max_width), cv2.COLOR_BGR2RGB)


def _files(given: str) -> list[Path] | None:
    if given == 'astronaut':
        return None
    path = Path(given)
    found = sorted(path.rglob('*')) if path.is_dir() else [path]
    files = [file for file in found if file.suffix.lower() in IMAGES | CLIPS and file.is_file()]
    if not files:
        raise ConfigError(f'no image and no clip at {given}; give an image, a clip or a folder of them')
    return files


def astronaut_copies() -> Iterator[tuple[str, np.ndarray]]:
    """Yield skimage's astronaut (NASA, public domain): 11 scaled copies, 12 on a canvas with three kinds of edges."""
    from skimage.data import astronaut  # in the scikit-image wheel, no download

    photo = astronaut()
    for percent in (35, 50, 60, 75, 90, 100, 115, 130, 150, 175, 200):
        yield f'astronaut at {percent} %', _scaled(photo, percent / 100)
    borders = {'black': cv2.BORDER_CONSTANT, 'repeated': cv2.BORDER_REPLICATE, 'mirrored': cv2.BORDER_REFLECT}
    for border, kind in borders.items():
        for percent, top, left in ((50, 0, 384), (60, 172, 101), (75, 48, 0), (90, 19, 179)):
            inner = _scaled(photo, percent / 100)
            side = inner.shape[0]
            padded = cv2.copyMakeBorder(inner, top, 480 - side - top, left, 640 - side - left, kind)
            yield f'astronaut at {percent} % in 640×480, {border} edges', padded


def image_hash(rgb: np.ndarray) -> str:
    """SHA-1 of shape and pixels of an image."""
    return hashlib.sha1(f'{rgb.shape}'.encode() + np.ascontiguousarray(rgb).tobytes()).hexdigest()


def _frames(file: Path, every: int) -> Iterator[tuple[str, np.ndarray]]:
    if file.suffix.lower() in IMAGES:
        bgr = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if bgr is None:
            raise ConfigError(f'{file} cannot be read as an image')
        yield file.name, bgr
        return
    clip, number = cv2.VideoCapture(str(file)), 0
    while clip.grab():
        if number % every == 0:
            yield f'{file.name} frame {number}', clip.retrieve()[1]
        number += 1
    clip.release()
    if number == 0:
        raise ConfigError(f'{file} cannot be read as a clip')


def _at_most(image: np.ndarray, width: int) -> np.ndarray:
    return image if image.shape[1] <= width else _scaled(image, width / image.shape[1])


def _scaled(image: np.ndarray, scale: float) -> np.ndarray:
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
