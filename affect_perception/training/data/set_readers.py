"""Readers of the data sets as they lie on disk: each makes the splits of one set, cropped and labelled."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from affect_perception.core.images.crops import crop_square, face_crop
from affect_perception.models.smile_va import EXPRESSIONS
from affect_perception.training.data.faces import Faces, affect_of, class_votes
from affect_perception.training.data.strength import coefficients_of, morph_strengths, presence_of
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic.morphs import Morphs, morphed, skin_tone
from affect_perception.types import Box

Row = dict[str, str]  # of an index.csv
Items = TypeVar('Items', list[Row], np.ndarray)

SPLITS = ('train', 'val', 'test')
LFW_BOX_MARGIN = 0.25  # the archive's pictures are the dlib HOG box plus this share of it on each side
# What to expect of a picture that few annotators called happiness, or something else: the mean share of happiness votes
# of FER+ training pictures of that class.
HAPPY, OTHER = 0.90, 0.03
DIFFUSIONFER_NAMES = {'happy': 'happiness', 'sad': 'sadness', 'angry': 'anger'}  # the others are named as in FER+


def read_ferplus(path: Path, settings: TrainingSettings) -> dict[str, Faces]:
    """FER+: 48×48 pictures that are framed like our crops already; the share is of the votes that name an expression.

    Pictures that most taggers called no face or unknown, or that fewer than five gave an expression, are left out.
    """
    with np.load(path) as archive:
        images, votes, split = archive['images'], archive['votes'].astype(np.float32), archive['split']
        names, row = list(archive['vote_names']), archive['row']
    expressions = [i for i, name in enumerate(names) if name not in ('unknown', 'NF')]
    known = votes[:, expressions].sum(1)
    usable = (known >= 5) & (known > votes.sum(1) - known)
    share = votes[:, names.index('happiness')] / np.maximum(known, 1)
    result = {}
    for number, name in enumerate(SPLITS):
        chosen = _first(np.flatnonzero(usable & (split == number)), settings)
        whole = Box(0, 0, images.shape[2], images.shape[1])
        crops = np.stack([crop_square(images[i], whole, settings.crop_size) for i in chosen])
        person = np.array([f'ferplus-{i}' for i in chosen])
        shares = votes[chosen][:, [names.index(e) for e in EXPRESSIONS]] / known[chosen, None]
        labels = coefficients_of(path.parent / settings.labels, 'ferplus', list(row[chosen]))
        result[name] = Faces(crops, share[chosen], person, shares, affect_of(shares), *labels)
    return result


def read_lfw(path: Path, settings: TrainingSettings) -> dict[str, Faces]:
    """LFW: the centre of each picture, what the live tracker would cut; happiness against the rest, softened."""
    kept = (1 + 2 * settings.crop_margin) / (1 + 2 * LFW_BOX_MARGIN)
    with zipfile.ZipFile(path) as archive:
        folder = next(name for name in archive.namelist() if name.endswith('index.csv'))[: -len('index.csv')]
        rows = list(csv.DictReader(io.StringIO(archive.read(f'{folder}index.csv').decode())))

        def crop(row: Row) -> np.ndarray:
            picture = cv2.cvtColor(_decoded(archive.read(folder + row['file']), row['file']), cv2.COLOR_RGB2GRAY)
            side = picture.shape[1] * kept
            square = Box.around((picture.shape[1] / 2, picture.shape[0] / 2), side, side)
            return crop_square(picture, square, settings.crop_size)

        return _from_index(rows, crop, 'happiness', settings, path.parent / settings.labels, 'lfw')


def read_diffusionfer(path: Path, settings: TrainingSettings) -> dict[str, Faces]:
    """DiffusionFER, whose valence and arousal are its own. Every eighth training picture is our validation split, and
    its validation split, which we choose nothing by, our test split. Where dlib sees no face the picture is the face.
    """
    face, rows, place = largest_face(), _rows(path), 0
    for row in rows:
        row['person'] = row['file']
        row['expression'] = DIFFUSIONFER_NAMES.get(row['expression'], row['expression'])
        place += row['split'] == 'train'
        row['split'] = 'test' if row['split'] == 'val' else 'val' if place % 8 == 0 else 'train'

    def crop(row: Row) -> np.ndarray:
        picture = _decoded((path / row['file']).read_bytes(), row['file'])
        side = picture.shape[1] / (1 + 2 * settings.crop_margin)
        box = face(picture) or Box.around((picture.shape[1] / 2, picture.shape[0] / 2), side, side)
        return cv2.cvtColor(face_crop(picture, box, settings.crop_size, settings.crop_margin), cv2.COLOR_RGB2GRAY)

    return _from_index(rows, crop, 'happiness', settings, path.parent / settings.labels, 'diffusionfer')


def read_london(path: Path, settings: TrainingSettings) -> dict[str, Faces]:
    """London: the largest face of dlib's HOG detector, cut by the live code; persons without one are left out whole."""
    face = largest_face()

    def crop(row: Row) -> np.ndarray | None:
        picture = _decoded((path / row['file']).read_bytes(), row['file'])
        box = face(picture)
        if box is None:
            return None
        return cv2.cvtColor(face_crop(picture, box, settings.crop_size, settings.crop_margin), cv2.COLOR_RGB2GRAY)

    labels = path.parent / settings.labels
    return _from_index(_rows(path), crop, 'smiling', settings, labels, 'london', complete=2)


def read_portraits(path: Path, settings: TrainingSettings) -> dict[str, Faces]:
    """Synthetic portraits (CC0), in the boxes of the teacher's labels; nobody voted, so the strength says if they
    smile. Every fifth is our validation split and every fifth our test split."""
    keys, coefficients, raw = _portrait_labels(path.parent / settings.labels)
    with np.load(path.parent / settings.labels / 'portraits.npz') as archive:
        boxes = [Box(*map(float, box)) for box in archive['box']]
    result = {}
    for split, places in (('train', (0, 1, 2)), ('val', (3,)), ('test', (4,))):
        chosen = _first(np.array([i for i in range(len(keys)) if i % 5 in places]), settings)
        crops, tones = [], []
        for i in chosen:
            picture = _decoded((path / keys[i]).read_bytes(), keys[i])
            crop = face_crop(picture, boxes[i], settings.crop_size, settings.crop_margin)
            crops.append(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY))
            tones.append(skin_tone(picture, boxes[i]))
        share, unknown = presence_of(raw[chosen]), np.full((len(chosen), 10), np.nan, np.float32)
        result[split] = Faces(
            np.stack(crops),
            share,
            np.array([keys[i] for i in chosen]),
            unknown[:, :8],
            unknown[:, 8:],
            coefficients[chosen],
            raw[chosen],
            np.array(tones, np.float32),
        )
    return result


def _portrait_labels(folder: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Files of the portraits in the order of their names, coefficients and raw strength."""
    with np.load(folder / 'portraits.npz') as archive:
        keys = [str(key) for key in archive['key']]
    return keys, *coefficients_of(folder, 'portraits', keys)


def read_morphs(path: Path, settings: TrainingSettings) -> dict[str, Morphs]:
    """London again: every person's way from the neutral to the smiling portrait."""
    face, result = largest_face(), {}
    for split in SPLITS:
        portraits: dict[str, dict[str, np.ndarray]] = {}
        for row in _first([row for row in _rows(path) if row['split'] == split], settings):
            picture = _decoded((path / row['file']).read_bytes(), row['file'])
            portraits.setdefault(row['person'], {})[row['expression']] = picture
        made, tones = {}, []
        for person, of in portraits.items():
            box = face(of['neutral']) if len(of) == 2 else None
            if box is not None:
                steps, size, margin = settings.morph_steps, settings.crop_size, settings.crop_margin
                made[person] = morphed(of['neutral'], of['smiling'], box, steps, size, margin)
                tones.append(skin_tone(of['neutral'], box))
        morphs, persons = np.stack(list(made.values())), np.array(list(made))
        raw = morph_strengths(persons, np.linspace(0, 1, morphs.shape[1]))
        result[split] = Morphs(morphs, persons, np.array(tones), raw)
    return result


def _rows(folder: Path) -> list[Row]:
    with open(folder / 'index.csv', newline='') as file:
        return list(csv.DictReader(file))


def largest_face() -> Callable[[np.ndarray], Box | None]:
    """The largest face of a picture by dlib's HOG detector."""
    import dlib  # here, so that reading the other sets does not need it

    detector = dlib.get_frontal_face_detector()

    def face(picture: np.ndarray) -> Box | None:
        found = detector(picture, 0) or detector(picture, 1)
        if not found:
            return None
        best = max(found, key=lambda r: r.area())
        return Box(best.left(), best.top(), best.width(), best.height())

    return face


def _from_index(
    rows: Iterable[Row],
    crop: Callable[[Row], np.ndarray | None],
    smile: str,
    settings: TrainingSettings,
    labels: Path,
    name: str,
    complete: int = 1,
) -> dict[str, Faces]:
    """Faces of each split by an index (file, person, expression, split); persons with under `complete` crops go.

    `labels` is the folder of the teacher's labels, `name` the set's file in it.
    """
    result = {}
    for split in SPLITS:
        cut = [(crop(row), row) for row in _first([r for r in rows if r['split'] == split], settings)]
        made = [(c, r) for c, r in cut if c is not None]
        persons = [row['person'] for _, row in made]
        made = [(c, r) for c, r in made if persons.count(r['person']) >= complete] if complete > 1 else made
        targets = [HAPPY if row['expression'] == smile else OTHER for _, row in made]
        votes = np.array([class_votes(row['expression']) for _, row in made], np.float32)
        affect = affect_of(votes)
        for i, (_, row) in enumerate(made):
            if 'valence' in row:
                affect[i] = float(row['valence']), float(row['arousal'])
        result[split] = Faces(
            np.stack([c for c, _ in made]),
            np.array(targets, np.float32),
            np.array([row['person'] for _, row in made]),
            votes,
            affect,
            *coefficients_of(labels, name, [row['file'] for _, row in made]),
        )
    return result


def _first(items: Items, settings: TrainingSettings) -> Items:
    return items[: settings.limit] if settings.limit else items


def _decoded(data: bytes, name: str) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f'{name} is no picture')
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
