"""Composed pictures for the proposal network: faces of all sizes and turns on backgrounds without faces.

Where a face is need not be known: the labels are dlib's own scores of the composed picture (`targets.py`), so a face
that dlib cannot find is no face, and whatever dlib takes for one is. Equal numbers give equal pictures.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.sources.scene.scene import background

SIZE = (480, 720)  # height and width of a picture, px
FACE_PX = (55.0, 300.0)  # side of a face box, px: from what is too small for dlib to more than half of the height
_FACE_SHARE = {'london': 0.40, 'portraits': 0.45, 'diffusionfer': 0.72, 'lfw': 0.66}  # face box, of a picture's side
SHARES = {'london': 0.3, 'portraits': 0.25, 'diffusionfer': 0.15, 'lfw': 0.3}  # of the faces drawn

Image = np.ndarray  # (H, W, 3) uint8 RGB


@dataclass(frozen=True)
class Kind:
    """Kind of picture: most `faces`, their largest size in px, and shares of faces with a property.

    `turned`: in the plane, to 60°; `squeezed`: in width or height, as a head that turns away; `occluded`: partly
    covered; `dark`: of the pictures, under-exposed.
    """

    faces: int = 9
    largest_px: float = FACE_PX[1]
    turned: float = 0.3
    squeezed: float = 0.4
    occluded: float = 0.12
    dark: float = 0.0


KINDS = {
    'usual': Kind(),
    'hard': Kind(turned=0.6, squeezed=0.7, occluded=0.5, dark=0.3),
    'crowd': Kind(faces=30, largest_px=140.0, occluded=0.3, dark=0.15),
}


class FacePool:
    """Face pictures of a split ('train' or 'val') of the sets in `data`; ConfigError without any.

    `shares` of the faces drawn, by set; `kept`: decoded pictures stay in memory, about 0.5 GB for all sets.
    """

    def __init__(self, data: Path, split: str, shares: Mapping[str, float] = SHARES, kept: bool = False) -> None:
        self._data = data
        self._shares = shares
        self._kept: dict[tuple[str, str], Image] | None = {} if kept else None
        self._files: dict[str, list[str]] = {}
        for name in ('london', 'diffusionfer'):
            if (data / name / 'index.csv').is_file():
                rows = csv.DictReader((data / name / 'index.csv').open())
                self._files[name] = [row['file'] for row in rows if row['split'] == split]
        if portraits := sorted(file.name for file in (data / 'portraits').glob('*.jpg')):
            self._files['portraits'] = [f for i, f in enumerate(portraits) if (i % 5 == 4) == (split == 'val')]
        self._zip = zipfile.ZipFile(data / 'lfw_expressions.zip') if (data / 'lfw_expressions.zip').is_file() else None
        if self._zip:
            index = io.StringIO(self._zip.read('index.csv').decode())
            self._files['lfw'] = [row['file'] for row in csv.DictReader(index) if row['split'] == split]
        self._names = [name for name, files in self._files.items() if files]
        if not self._names:
            raise ConfigError(f'no face pictures in {data}; give the folder with london, portraits, diffusionfer, lfw')

    def face(self, rng: np.random.Generator) -> tuple[Image, float]:
        """Draw a picture of one face; returns it and the share of its side that the face's box takes."""
        weights = np.array([self._shares[name] for name in self._names])
        name = str(rng.choice(self._names, p=weights / weights.sum()))
        file = self._files[name][rng.integers(len(self._files[name]))]
        if self._kept is None:
            return self._decoded(name, file), _FACE_SHARE[name]
        if (name, file) not in self._kept:
            self._kept[name, file] = self._decoded(name, file)
        return self._kept[name, file], _FACE_SHARE[name]

    def _decoded(self, name: str, file: str) -> Image:
        if name == 'lfw':
            assert self._zip is not None
            coded = np.frombuffer(self._zip.read(file), np.uint8)
        else:
            coded = np.fromfile(self._data / name / file, np.uint8)
        bgr = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        if bgr is None:
            raise ConfigError(f'{file} of {name} cannot be read as an image')
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def compose(pool: FacePool, photos: list[Image], seed: tuple[int, ...], kind: Kind = KINDS['usual']) -> Image:
    """(*SIZE, 3) uint8: faces of `kind` on a background; half of the pictures are doubled ones of half the size."""
    rng = np.random.default_rng(seed)
    doubled = rng.random() < 0.5
    height, width = (side // 2 for side in SIZE) if doubled else SIZE
    picture = drawn_background(rng, pool, photos, height, width)
    for _ in range(0 if rng.random() < 0.12 else rng.integers(1, kind.faces + 1)):
        side = float(np.exp(rng.uniform(*np.log((FACE_PX[0], kind.largest_px))))) * (0.5 if doubled else 1)
        _paste(rng, picture, *pool.face(rng), side, kind)
    picture = _photographed(rng, picture)
    if kind.dark and rng.random() < kind.dark:
        levels = 255 * (np.arange(256) / 255) ** rng.uniform(1, 2) * rng.uniform(0.15, 0.6)
        picture = cv2.LUT(picture, np.uint8(levels))
    return cv2.resize(picture, SIZE[::-1], interpolation=cv2.INTER_LINEAR) if doubled else picture


def picture_seed(split: str, kind: str, seed: int, number: int) -> tuple[int, ...]:
    """Seed for `compose` of picture `number` of a split and kind."""
    return seed, split == 'val', number, *((list(KINDS).index(kind),) if kind != 'usual' else ())


def load_photos() -> list[Image]:
    """Photographs and textures without faces that come with scikit-image and scikit-learn."""
    from skimage import data

    names = ('brick', 'grass', 'gravel', 'chelsea', 'coffee', 'coins', 'rocket', 'page', 'text', 'moon', 'clock',
             'hubble_deep_field', 'immunohistochemistry', 'retina', 'colorwheel', 'horse')  # fmt: skip
    photos = []
    for name in names:
        try:
            image = np.asarray(getattr(data, name)())
        except Exception:  # noqa: BLE001  not in this version's wheel, and no network
            continue
        image = image.astype(np.uint8) * (255 if image.dtype == bool else 1)
        photos.append(np.dstack([image] * 3) if image.ndim == 2 else image[..., :3])
    try:
        from sklearn.datasets import load_sample_images

        photos += [np.asarray(image) for image in load_sample_images().images]
    except ImportError:
        pass
    return [np.ascontiguousarray(photo) for photo in photos]


def _paste(rng: np.random.Generator, picture: Image, face: Image, share: float, side: float, kind: Kind) -> None:
    """Draw a face with a box of `side` px anywhere, also over the edge: turned, squeezed, tilted, faded out."""
    height, width = face.shape[:2]
    scale = side / (share * width)
    if rng.random() < 0.5:
        face = face[:, ::-1]
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]], np.float32) / 2
    squeezed = corners * scale * (1 if rng.random() < 1 - kind.squeezed else rng.uniform((0.65, 0.8), 1))
    turned = squeezed + rng.normal(0, 0.04 * side, (4, 2)) * (rng.random() < 0.5)
    roll = np.radians(rng.normal(0, 8) if rng.random() < 1 - kind.turned else rng.uniform(-60, 60))
    matrix = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    centre = rng.uniform((-0.3 * side, -0.3 * side), np.array(picture.shape[1::-1]) + 0.3 * side)
    placed = np.float32(turned @ matrix.T + centre)
    homography = cv2.getPerspectiveTransform(np.float32(corners + np.array([width, height]) / 2), placed)
    smaller = cv2.GaussianBlur(face, (0, 0), 0.45 / scale) if scale < 0.8 else face
    alpha = _alpha(rng, height, width)
    size = picture.shape[1::-1]
    (left, top), (right, bottom) = (f(edge(placed, 0)) for f, edge in ((np.floor, np.min), (np.ceil, np.max)))
    left, top = (int(max(v, 0)) for v in (left, top))
    right, bottom = (int(min(v, most)) for v, most in zip((right, bottom), size, strict=True))
    if left >= right or top >= bottom:
        return
    homography = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ homography
    drawn = cv2.warpPerspective(_lit(rng, smaller), homography, (right - left, bottom - top))
    opacity = cv2.warpPerspective(alpha, homography, (right - left, bottom - top))[..., None]
    below = picture[top:bottom, left:right]
    below[:] = np.uint8(below + (drawn.astype(np.float32) - below) * opacity + 0.5)
    if rng.random() < kind.occluded:
        at, extent = centre + rng.normal(0, 0.4 * side, 2), rng.uniform(0.1, 0.5, 2) * side
        box = [int(v) for v in (*(at - extent / 2), *(at + extent / 2))]
        cv2.rectangle(picture, tuple(box[:2]), tuple(box[2:]), rng.integers(0, 256, 3).tolist(), -1)


def _alpha(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Opacity (height, width) float32: the whole picture with a soft rim, or an ellipse of head and neck."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = 2 * (x + 0.5) / width - 1, 2 * (y + 0.5) / height - 1
    if rng.random() < 0.5:
        return np.clip((1 - np.maximum(abs(x), abs(y))) / rng.uniform(0.01, 0.15), 0, 1)
    return np.clip((1 - np.hypot(x / rng.uniform(0.7, 1), y)) / rng.uniform(0.03, 0.2), 0, 1)


def _lit(rng: np.random.Generator, image: Image) -> Image:
    """Other exposure, contrast and colours; one in five grey."""
    if rng.random() < 0.2:
        image = np.dstack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3)
    levels = (np.arange(256) / 255) ** np.exp(rng.normal(0, 0.35))
    levels = (levels - 0.5) * rng.uniform(0.6, 1.15) + 0.5 + rng.normal(0, 0.06)
    colours = np.exp(rng.normal(0, 0.06, 3))
    table = np.uint8(np.clip(255 * levels[:, None] * colours, 0, 255))
    return cv2.LUT(image, table[None])


def _photographed(rng: np.random.Generator, picture: Image) -> Image:
    """Exposure, blur, noise and JPEG of a camera."""
    picture = _lit(rng, picture) if rng.random() < 0.5 else picture
    if rng.random() < 0.15:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.0))
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(1, 12), picture.shape)
        picture = np.uint8(np.clip(picture + noise, 0, 255))
    if rng.random() < 0.4:
        _, coded = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return picture


def drawn_background(rng: np.random.Generator, pool: FacePool, photos: list[Image], height: int, width: int) -> Image:
    """(height, width, 3) uint8 background without faces, of any kind."""
    kinds: tuple[Callable[..., Image], ...] = (_room, _photo, _photo, _tiles, _shapes, _noise)
    return _lit(rng, kinds[rng.integers(len(kinds))](rng, pool, photos, height, width))


def _room(rng: np.random.Generator, _: FacePool, __: list[Image], height: int, width: int) -> Image:
    return background(width, height, int(rng.integers(1 << 30)))


def _photo(rng: np.random.Generator, pool: FacePool, photos: list[Image], height: int, width: int) -> Image:
    if not photos:
        return _shapes(rng, pool, photos, height, width)
    photo = photos[rng.integers(len(photos))]
    zoom = max(height / photo.shape[0], width / photo.shape[1]) * rng.uniform(1, 2.5)
    photo = cv2.resize(photo, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    top, left = (rng.integers(0, a - b + 1) for a, b in zip(photo.shape, (height, width), strict=False))
    photo = photo[top : top + height, left : left + width]
    return np.ascontiguousarray(photo[:, ::-1] if rng.random() < 0.5 else photo)


def _tiles(rng: np.random.Generator, pool: FacePool, _: list[Image], height: int, width: int) -> Image:
    """Small pieces of face pictures in any order: skin, hair, eyes and cloth, and no face."""
    tile = int(rng.integers(12, 64))
    face = cv2.resize(pool.face(rng)[0], (6 * tile, 6 * tile), interpolation=cv2.INTER_AREA)
    rows, columns = -(-height // tile), -(-width // tile)
    y, x = rng.integers(0, 5 * tile, (2, rows, columns))
    image = [
        np.hstack([face[b : b + tile, a : a + tile] for b, a in zip(*row, strict=True)])
        for row in zip(y, x, strict=True)
    ]
    return np.ascontiguousarray(np.vstack(image)[:height, :width])


def _shapes(rng: np.random.Generator, _: FacePool, __: list[Image], height: int, width: int) -> Image:
    """Rectangles, ellipses, lines and words in flat colours: furniture, balls, wires, posters."""
    image = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
    for _number in range(rng.integers(5, 60)):
        colour = rng.integers(0, 256, 3).tolist()
        at = [int(v) for v in rng.uniform(0, (width, height))]
        size = [int(v) for v in np.exp(rng.uniform(1, 5.5, 2))]
        kind = rng.integers(4)
        if kind == 0:
            cv2.rectangle(image, at, [a + s for a, s in zip(at, size, strict=True)], colour, -1)
        elif kind == 1:
            cv2.ellipse(image, at, size, float(rng.uniform(0, 180)), 0, 360, colour, int(rng.choice([-1, 2, 6])))
        elif kind == 2:
            cv2.line(image, at, [int(v) for v in rng.uniform(0, (width, height))], colour, int(rng.integers(1, 9)))
        else:
            text = ''.join(chr(c) for c in rng.integers(48, 123, rng.integers(1, 12)))
            cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, float(rng.uniform(0.4, 4)), colour, 2)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 3))


def _noise(rng: np.random.Generator, _: FacePool, __: list[Image], height: int, width: int) -> Image:
    """Noise of several resolutions added up: clouds, bark, snow."""
    image = np.full((height, width, 3), 128.0, np.float32)
    for cells in (4, 12, 40, 120):
        noise = rng.normal(0, rng.uniform(0, 45), (cells, cells, 1 if rng.random() < 0.6 else 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, -1)
    return np.uint8(np.clip(image, 0, 255))
