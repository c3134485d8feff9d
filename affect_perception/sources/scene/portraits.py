"""Cut-out portraits of the people of a scene, each rendered in steps from neutral to smiling.

A portrait is a square image of `SPAN` by `SPAN` face boxes. The face box (as dlib's HOG detector draws it) always lies
at `FACE_CENTRE`, the background is removed by GrabCut, the shoulders fade out towards the edge.
"""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from affect_perception.errors import ConfigError, untrusted
from affect_perception.runtime.files import read_text_file
from affect_perception.sources.scene.morph import ASTRONAUT_MOUTH, Morph, lip_line, open_mouth, soften_smile
from affect_perception.types import Box

SMILE_STEPS = 16  # smiles are shown in steps of 1/16
MOUTH_STEPS = 6  # and the opening of a speaking mouth in steps of 1/6
SPAN = 3.0  # width and height of a portrait, in face boxes
FACE_CENTRE = (1.5, 1.4)  # of the face box in the portrait, in face boxes
ASTRONAUT_BOX = Box(173.5, 79, 93, 93)  # mean of dlib's HOG boxes over many sizes; ASTRONAUT_MOUTH refers to it
ASTRONAUT = 'astronaut'  # the setting `portraits` of her copies
PEOPLE = Path(__file__).parent / 'people'  # built-in portraits, see CREDITS.md there
# Tints that distinguish people who share the astronaut's portrait; every second one is also mirrored.
TINTS = ((1, 1, 1), (0.8, 0.76, 0.74), (0.95, 1, 1.08), (0.66, 0.63, 0.63), (1.06, 0.96, 0.88), (0.86, 0.9, 0.86))


class Portrait:
    """Appearance of one person in SMILE_STEPS + 1 images, rendered at first use.

    `render(smile)` returns the (S, S, 4) uint8 RGBA portrait. The images are cropped to the rectangle `origin` (x, y),
    `size` (w, h) that is not fully transparent, in pixels of the portrait.
    """

    def __init__(
        self,
        render: Callable[[float], np.ndarray],
        side: int,
        tint: tuple[float, float, float] = (1, 1, 1),
        mirror: bool = False,
        intensities: np.ndarray | None = None,
    ) -> None:
        """`intensities`: absolute smile intensity at even fractions of `render`'s smile; None: the fraction itself."""
        self.side = side
        given = np.linspace(0, 1, 2) if intensities is None else np.asarray(intensities, float)
        steps = np.arange(SMILE_STEPS + 1) / SMILE_STEPS
        self.intensities = np.interp(steps, np.linspace(0, 1, len(given)), given)  # (SMILE_STEPS + 1,), never falling
        self._render, self._tint, self._mirror = render, tint, mirror
        self._steps: dict[tuple[int, int], np.ndarray] = {}
        self._lips: float | None = None  # y of the line between the lips in face boxes below the centre, once needed
        opaque = cv2.max(self._image(0.0)[..., 3], self._image(1.0)[..., 3])
        x, y, width, height = cv2.boundingRect(opaque)
        self.origin, self.size = (x, y), (width, height)
        self.alpha = np.ascontiguousarray(opaque[y : y + height, x : x + width])

    def _image(self, smile: float) -> np.ndarray:
        rgba = self._render(smile)
        faded = np.dstack(
            [rgba[..., :3], cv2.multiply(cv2.extractChannel(rgba, 3), _rim(rgba.shape[0]), scale=1 / 255)]
        )
        return cv2.flip(faded, 1) if self._mirror else faded

    def step(self, index: int, mouth: int = 0) -> np.ndarray:
        """(h, w, 4) uint8 image of smile `index / SMILE_STEPS`: colours times opacity, and 255 minus opacity.

        `mouth`: opening of the speaking mouth in steps of 1 / MOUTH_STEPS.
        """
        if (index, mouth) not in self._steps:
            (x, y), (width, height) = self.origin, self.size
            rgba = self._image(index / SMILE_STEPS)
            if mouth:
                rgba = self._opened(rgba, mouth / MOUTH_STEPS)
            rgba = rgba[y : y + height, x : x + width]
            opacity = rgba[..., 3:] / np.float32(255)
            colours = np.minimum(rgba[..., :3] * np.array(self._tint, np.float32), 255) * opacity
            self._steps[index, mouth] = np.dstack([np.uint8(colours + 0.5), 255 - rgba[..., 3]])
        return self._steps[index, mouth]

    def _opened(self, rgba: np.ndarray, opening: float) -> np.ndarray:
        centre = FACE_CENTRE[0] * self.side, FACE_CENTRE[1] * self.side
        if self._lips is None:
            self._lips = lip_line(self._image(0.0), centre, self.side)
        return open_mouth(rgba, centre, self.side, self._lips, opening)

    def step_of(self, intensity: float) -> int:
        """Index of the step whose smile intensity is nearest to the wanted one."""
        return int(np.abs(self.intensities - intensity).argmin())

    def prepare(self) -> None:
        """Render all steps now."""
        for index in range(SMILE_STEPS + 1):
            self.step(index)


def load_portraits(folder: str, people: int, side: int, seed: int) -> tuple[Portrait, ...]:
    """Load a portrait per person, with face boxes of `side` px: of a folder; '' the built-in people, 'astronaut' tinted
    copies of one woman.

    Raises ConfigError for an unusable folder or image, and without scikit-image for the astronaut.
    """
    if not people:
        return ()
    if folder == ASTRONAUT:
        render = functools.lru_cache(SMILE_STEPS + 1)(_astronaut(side))
        return tuple(Portrait(render, side, TINTS[i % len(TINTS)], mirror=i % 2 == 1) for i in range(people))
    found = read_index(Path(folder) if folder else PEOPLE)
    order = np.random.default_rng((seed, 2)).permutation(len(found)) if folder else np.arange(len(found))
    renders = {}
    for i in order[:people]:
        renders[i] = functools.lru_cache(SMILE_STEPS + 1)(_morph(found[i].neutral, found[i].smiling, side))
    chosen = [order[i % len(found)] for i in range(people)]
    return tuple(
        Portrait(renders[k], side, mirror=i >= len(found), intensities=found[k].intensities)
        for i, k in enumerate(chosen)
    )


class PortraitFiles(NamedTuple):
    """Images of one person; `intensities` at even fractions of the way between them, None where not labelled."""

    neutral: Path
    smiling: Path
    intensities: np.ndarray | None = None


def read_index(folder: Path) -> list[PortraitFiles]:
    """Read the images of each person of an index.csv (file, person, expression[, split][, intensity]).

    `intensity` of a smiling portrait: absolute smile intensities at even fractions of the way, separated by spaces.

    Only test persons where the index has a split: the shipped weights were trained on the others. Raises ConfigError
    for a missing index, missing columns, or an index without such a pair.
    """
    with untrusted(index := folder / 'index.csv'):
        return _read_index(index)


def _intensities(text: str, place: str) -> np.ndarray:
    try:
        values = [float(value) for value in text.split()]
    except ValueError:
        raise ConfigError(f'{place} {text!r} is no numbers') from None
    if not values or not all(0 <= value <= 1 for value in values):  # NaN is none of these
        raise ConfigError(f'{place} {text!r} has values that are not within 0 to 1')
    return np.maximum.accumulate(values)


def _read_index(index: Path) -> list[PortraitFiles]:
    folder = index.parent
    if not index.is_file():
        raise ConfigError(f'no portraits in {str(folder)!r}: wanted a folder with index.csv (file,person,expression)')
    rows = list(csv.DictReader(io.StringIO(read_text_file(index), newline='')))
    if not rows or not {'file', 'person', 'expression'} <= rows[0].keys():
        raise ConfigError(f'{index} lacks columns; wanted file,person,expression')
    persons: dict[str, dict[str, Path]] = {}
    intensities: dict[str, np.ndarray] = {}
    for row in rows:
        if row.get('split', 'test') == 'test':
            persons.setdefault(row['person'], {})[row['expression']] = folder / row['file']
            if row.get('intensity'):
                intensities[row['person']] = _intensities(row['intensity'], f'{index}: intensity of {row["file"]}')
    pairs = [
        PortraitFiles(p['neutral'], p['smiling'], intensities.get(person))
        for person, p in persons.items()
        if {'neutral', 'smiling'} <= p.keys()
    ]
    if not pairs:
        raise ConfigError(f'{index} names no (test) person with a neutral and a smiling portrait')
    return pairs


def _astronaut(side: int) -> Callable[[float], np.ndarray]:
    try:
        from skimage import data
    except ImportError:
        raise ConfigError('the built-in portrait needs scikit-image: pip install scikit-image') from None
    big = 2 * side  # twice the size, so that the cut between the lips is smooth after scaling down
    photograph = data.astronaut()
    portrait = canonical(photograph, ASTRONAUT_BOX, big)
    alpha = matte(portrait)
    centre = FACE_CENTRE[0] * big, FACE_CENTRE[1] * big
    rows, columns = (slice(round((c - 0.8) * big), round((c + 0.8) * big)) for c in FACE_CENTRE[::-1])
    middle = centre[0] - columns.start, centre[1] - rows.start
    size = (round(SPAN * side),) * 2

    def render(smile: float) -> np.ndarray:
        picture = portrait.copy()
        picture[rows, columns] = soften_smile(portrait[rows, columns], middle, big, ASTRONAUT_MOUTH, smile)
        return cv2.resize(np.dstack([picture, alpha]), size, interpolation=cv2.INTER_AREA)

    return render


def _morph(neutral: Path, smiling: Path, side: int) -> Callable[[float], np.ndarray]:
    images = []
    for path in (neutral, smiling):
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise ConfigError(f'portrait {path} cannot be read')
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        height, width = rgb.shape[:2]
        usual = Box.around((0.5 * width, 0.53 * height), 0.36 * width, 0.36 * width)  # in the London set
        portrait = canonical(rgb, hog_box(rgb, usual), side)
        images.append(np.dstack([portrait, matte(portrait)]))
    return Morph(images[0], images[1], (FACE_CENTRE[0] * side, FACE_CENTRE[1] * side), side)


def hog_box(rgb: np.ndarray, otherwise: Box) -> Box:
    """Largest face of dlib's HOG detector; `otherwise` without a face or without dlib."""
    detector = _hog()
    found = detector(np.ascontiguousarray(rgb), 0) if detector else ()
    if not found:
        return otherwise
    best = max(found, key=lambda rectangle: rectangle.width())
    return Box(best.left(), best.top(), best.width(), best.height())


@functools.lru_cache(1)
def _hog() -> Any:
    try:
        import dlib
    except ImportError:
        return None
    return dlib.get_frontal_face_detector()  # takes a second to unpack


def canonical(rgb: np.ndarray, box: Box, side: int) -> np.ndarray:
    """Frame a photograph as a portrait of (SPAN·side)² px; the border is repeated outside the photograph."""
    scale = side / box.width
    cx, cy = box.centre
    shift = np.array(
        [[scale, 0, FACE_CENTRE[0] * side - scale * cx], [0, scale, FACE_CENTRE[1] * side - scale * cy]], np.float32
    )
    if scale < 1:  # a plain warp would alias
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.45 / scale)
    size = round(SPAN * side)
    return cv2.warpAffine(rgb, shift, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def matte(portrait: np.ndarray) -> np.ndarray:
    """(S, S) uint8 opacity of head and shoulders of a canonical portrait, by GrabCut from a rough head and body."""
    size, small = portrait.shape[0], 192
    unit = small / SPAN  # one face box
    cx, cy = FACE_CENTRE[0] * unit, FACE_CENTRE[1] * unit
    mask = np.full((small, small), cv2.GC_PR_BGD, np.uint8)

    def ellipse(y: float, half_width: float, half_height: float, label: int) -> None:
        axes = round(half_width * unit), round(half_height * unit)
        cv2.ellipse(mask, (round(cx), round(y)), axes, 0, 0, 360, label, -1)

    ellipse(cy - 0.1 * unit, 0.75, 0.95, cv2.GC_PR_FGD)
    ellipse(small, 1.3, 0.85, cv2.GC_PR_FGD)
    ellipse(cy, 0.42, 0.58, cv2.GC_FGD)
    ellipse(small, 0.55, 0.75, cv2.GC_FGD)
    ellipse(small, 1.0, 0.4, cv2.GC_FGD)
    mask[: round(0.1 * unit)] = cv2.GC_BGD
    for side in (slice(0, round(0.4 * unit)), slice(small - round(0.4 * unit), small)):
        mask[: round(cy + 0.3 * unit), side] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # GrabCut initialises its clusters at random
    reduced = cv2.resize(portrait, (small, small), interpolation=cv2.INTER_AREA)
    whole = (0, 0, small, small)  # not used with a mask
    cv2.grabCut(reduced, mask, whole, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    person = np.where((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD), np.uint8(255), np.uint8(0))
    person = cv2.morphologyEx(person, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    _, labels = cv2.connectedComponents(person)
    person[labels != labels[round(cy), round(cx)]] = 0
    outlines, _ = cv2.findContours(person, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(person, outlines, -1, 255, -1)  # no holes in bright hair
    person = cv2.erode(person, np.ones((3, 3), np.uint8))  # the outermost pixels are half background
    alpha = cv2.resize(person, (size, size), interpolation=cv2.INTER_LINEAR)
    return cv2.GaussianBlur(alpha, (0, 0), size / 200)


@functools.lru_cache(4)
def _rim(size: int) -> np.ndarray:
    """(size, size) uint8 opacity that fades towards the sides and, rounded, towards the bottom."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    low = np.clip((y - 0.5) / 0.41, 0, None)
    radius = np.sqrt((np.abs(x - 0.5) / 0.49) ** 4 + low**4)
    return np.uint8(255 * np.clip((1.0 - radius) / 0.22, 0, 1))
