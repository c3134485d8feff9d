"""The corpus of image files as people have them: a builder per file; each shows the portrait, with one face."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders.heif import heic
from builders.images import jpeg
from builders.media import portrait


@dataclass(frozen=True)
class Picture:
    """An image file: its bytes, the size it is read at, and the mean difference from the portrait, grey values."""

    data: Callable[[], bytes]
    size: tuple[int, int] = (320, 240)
    tolerance: float = 6.0
    is_grey: bool = False


def encoded(suffix: str, change: Callable[[np.ndarray], np.ndarray] = lambda bgr: bgr) -> Callable[[], bytes]:
    """Builder of the portrait as a file that OpenCV writes; `change` gets BGR."""
    return lambda: cv2.imencode(suffix, change(portrait()[..., ::-1]))[1].tobytes()


def deep(bits: int) -> Callable[[np.ndarray], np.ndarray]:
    """Values of `bits` significant bits in 16."""
    return lambda bgr: bgr.astype(np.uint16) << (bits - 8)


def grey(bgr: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)


def exif_jpeg(orientation: int, turns: int) -> Callable[[], bytes]:
    """JPEG that is stored turned, and says so in its EXIF data."""
    tag = b'Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0' + bytes([orientation]) + bytes(7)

    def make() -> bytes:
        data = jpeg(np.ascontiguousarray(np.rot90(portrait(), turns)))
        return data[:2] + b'\xff\xe1' + (len(tag) + 2).to_bytes(2, 'big') + tag + data[2:]

    return make


def by_pillow(image_format: str, mode: str = 'RGB', **options) -> Callable[[], bytes]:
    """Builder of a file that Pillow writes."""

    def make() -> bytes:
        import io

        image = pytest.importorskip('PIL.Image', reason='needs Pillow')
        if image_format == 'AVIF' and not pytest.importorskip('PIL.features').check('avif'):
            pytest.skip('this Pillow writes no AVIF')
        file = io.BytesIO()
        image.fromarray(portrait()).convert(mode).save(file, image_format, **options)
        return file.getvalue()

    return make


def large() -> bytes:
    """JPEG of 50 megapixels."""
    return jpeg(cv2.resize(portrait(), (8192, 6144)))


LATIN_1 = os.fsdecode(b'Andr\xe9.jpg')
PICTURES: dict[str, Picture] = {
    'photo.jpg': Picture(encoded('.jpg')),
    'PHOTO.JPEG': Picture(encoded('.jpg')),
    'no suffix': Picture(encoded('.jpg')),
    'wrong suffix.png': Picture(encoded('.jpg')),
    'wrong suffix.mp4': Picture(encoded('.png')),
    LATIN_1: Picture(encoded('.jpg')),
    'a\nb 100%d \u202e.jpg': Picture(encoded('.jpg')),
    'progressive.jpg': Picture(by_pillow('JPEG', progressive=True)),
    'cmyk.jpg': Picture(by_pillow('JPEG', 'CMYK'), tolerance=12.0),
    'grey.jpg': Picture(encoded('.jpg', grey), is_grey=True),
    'turned_90.jpg': Picture(exif_jpeg(6, 1)),
    'turned_180.jpg': Picture(exif_jpeg(3, 2)),
    'turned_270.jpg': Picture(exif_jpeg(8, -1)),
    'photo.png': Picture(encoded('.png')),
    'palette.png': Picture(by_pillow('PNG', 'P'), tolerance=16.0),
    'alpha.png': Picture(by_pillow('PNG', 'RGBA')),
    'grey.png': Picture(encoded('.png', grey), is_grey=True),
    '10 bits.png': Picture(encoded('.png', deep(10))),
    '12 bits.png': Picture(encoded('.png', deep(12))),
    '16 bits.png': Picture(encoded('.png', deep(16))),
    'grey 12 bits.png': Picture(encoded('.png', lambda bgr: deep(12)(grey(bgr))), is_grey=True),
    '12 bits.tif': Picture(encoded('.tif', deep(12))),
    'photo.tif': Picture(encoded('.tif')),
    'photo.bmp': Picture(encoded('.bmp')),
    'photo.ppm': Picture(encoded('.ppm')),
    'photo.webp': Picture(encoded('.webp')),
    'photo.heic': Picture(lambda: heic(portrait())),
    'tiles.heic': Picture(lambda: heic(portrait(), 128)),
    'turned tiles.heic': Picture(lambda: heic(np.rot90(portrait()), 128, 3)),
    'photo.avif': Picture(by_pillow('AVIF', quality=90)),
    '50 megapixels.jpg': Picture(large, (4096, 3072), 8.0),
}


def write_picture(folder: Path, name: str) -> Path:
    """Write the file of that name; returns its path."""
    path = folder / name
    path.write_bytes(PICTURES[name].data())
    return path
