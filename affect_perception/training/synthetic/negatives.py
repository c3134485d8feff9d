"""Pictures that show no face, drawn: for a confidence that is low where a detector was wrong.

Tiles of a face in another order, a small part of one, coarse noise, clouds, walls (`film.scrambled`), and drawings:
cartoon faces, balls, printed patterns, fur, backs of heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from affect_perception.training.data.face_sets import Faces
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic.rendering import clouds, scrambled

Pair = np.ndarray | tuple[float, float]  # x and y, px


def no_faces(faces: Sequence[Faces], settings: TrainingSettings) -> np.ndarray:
    """(settings.no_faces, S, S) uint8 pictures without a face, some made of pieces of `faces`."""
    rng = np.random.default_rng((settings.seed, 31))
    pool = faces[0].crops if len(faces) == 1 else np.concatenate([f.crops[:2000] for f in faces])
    made = [no_face(rng, pool[rng.integers(len(pool))]) for _ in range(settings.no_faces)]
    return np.stack(made)


def no_face(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """(S, S) uint8 that has grey values of `face` and shows none."""
    kind = rng.random()
    if kind < 0.35:
        return scrambled(rng, face)
    made = (cartoon, ball, pattern, fur, back_of_head)[int(rng.integers(5))](rng, face)
    return cv2.GaussianBlur(made, (0, 0), rng.uniform(0.3, 1.2))


def cartoon(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """A drawn face of flat areas and strokes: oval head, dots or rings for eyes, an arc or a filled mouth."""
    side, shades = len(like), _shades(rng)
    picture, unit = _background(rng, like), side / 2
    centre = np.array([side / 2, side / 2]) + rng.normal(0, 0.06, 2) * side
    axes = rng.uniform(0.6, 0.98, 2) * unit
    ink, line = shades[1], max(int(rng.uniform(0.008, 0.035) * side), 1)
    _ellipse(picture, centre, axes, 0, 360, shades[0], -1)
    if rng.random() < 0.7:
        _ellipse(picture, centre, axes, 0, 360, ink, line)
    apart, high, big = rng.uniform(0.22, 0.42) * unit, rng.uniform(0.1, 0.4) * unit, rng.uniform(0.04, 0.2) * unit
    tall = big * rng.uniform(0.8, 2.0)
    for sign in (-1, 1):
        eye = centre + np.array((sign * apart, -high))
        if rng.random() < 0.5:
            _ellipse(picture, eye, (big * 1.6, tall * 1.6), 0, 360, 255 - ink if ink < 128 else 0, -1)
        _ellipse(picture, eye, (big, tall), 0, 360, ink, -1 if rng.random() < 0.8 else line)
    mouth, wide = centre + np.array((0, rng.uniform(0.2, 0.55) * unit)), rng.uniform(0.15, 0.6) * unit
    curve = rng.uniform(0.03, 0.4) * unit
    begin = (0, 180)[int(rng.random() < 0.25)]
    _ellipse(picture, mouth, (wide, curve), begin, begin + 180, ink, line if rng.random() < 0.6 else -1)
    if rng.random() < 0.5:
        _ellipse(picture, centre + np.array((0, 0.1 * unit)), (0.06 * unit, 0.1 * unit), 0, 360, ink, line)
    if rng.random() < 0.4:  # ears, as of an animal
        for sign in (-1, 1):
            tip = centre + np.array((sign * axes[0] * rng.uniform(0.5, 0.9), -axes[1] * rng.uniform(0.9, 1.2)))
            _ellipse(picture, tip, (0.22 * unit, rng.uniform(0.2, 0.5) * unit), 0, 360, shades[2], -1)
    return picture


def ball(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """A shaded sphere with or without seams or spots."""
    side = len(like)
    y, x = np.mgrid[0:side, 0:side] / side * 2 - 1
    radius = rng.uniform(0.5, 1.0)
    height = np.sqrt(np.clip(radius**2 - x**2 - y**2, 0, None)) / radius
    light = rng.normal(size=3) + np.array((0, 0, 1.2))
    light /= np.linalg.norm(light)
    shade = np.clip(light[0] * x / radius + light[1] * y / radius + light[2] * height, 0, 1)
    skin = _shades(rng)[0] * (0.35 + 0.65 * shade) + 120 * shade ** rng.uniform(8, 40) * rng.random()
    if rng.random() < 0.6:
        turn, spread = rng.uniform(0, np.pi), rng.uniform(3, 9)
        seam = np.sin(spread * (x * np.cos(turn) + y * np.sin(turn) + 0.4 * height))
        other = np.sin(spread * (y * np.cos(turn) - x * np.sin(turn) + 0.3 * height))
        skin = np.where((seam > 0.85) | (other > 0.9 + 0.3 * rng.random()), skin * rng.uniform(0.2, 0.7), skin)
    return np.uint8(np.clip(np.where(height > 0, skin, _background(rng, like)), 0, 255))


def pattern(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """Stripes, checks, rings, dots or print, two shades, turned."""
    side, shades = len(like), _shades(rng)
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    turn, rate = rng.uniform(0, np.pi), rng.uniform(2, 14) * np.pi
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    kind = rng.integers(5)
    if kind == 0:
        wave = np.sin(rate * u)
    elif kind == 1:
        wave = np.sin(rate * u) * np.sin(rate * v)
    elif kind == 2:
        wave = np.sin(2 * rate * np.hypot(x - rng.normal(0, 0.2), y - rng.normal(0, 0.2)))
    elif kind == 3:
        wave = np.cos(rate * u) + np.cos(rate * v) - rng.uniform(0.5, 1.5)
    else:
        picture = _background(rng, like)
        for _ in range(int(rng.integers(3, 9))):
            place = (int(rng.uniform(-0.2, 0.7) * side), int(rng.uniform(0.1, 1.0) * side))
            text = ''.join(chr(int(c)) for c in rng.integers(33, 122, 6))
            cv2.putText(
                picture, text, place, int(rng.integers(8)), rng.uniform(0.3, 1.6) * side / 96, int(shades[1]), 2
            )
        return picture
    soft = rng.uniform(1, 30)
    return np.uint8(shades[0] + (float(shades[1]) - shades[0]) / (1 + np.exp(-soft * np.clip(wave, -1, 1))))


def fur(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """Directed noise with two eyes and a nose, as of an animal's head."""
    side = len(like)
    noise = rng.normal(size=(side, side))
    turn = rng.uniform(0, np.pi)
    kernel = cv2.getRotationMatrix2D((7, 7), np.degrees(turn), 1)
    stroke = cv2.warpAffine(np.float32(np.eye(1, 15, 7).T @ np.ones((1, 15))), kernel, (15, 15))
    hair = cv2.filter2D(noise, -1, stroke / max(stroke.sum(), 1))
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    shades = _shades(rng)
    coat = shades[0] + (float(shades[2]) - shades[0]) * (np.hypot(x, y) > rng.uniform(0.15, 0.45))
    picture = np.uint8(np.clip(coat + 25 * hair / hair.std() * rng.uniform(0.4, 1.2), 0, 255))
    centre, unit = np.array([side / 2, side / 2]) + rng.normal(0, 0.05, 2) * side, side / 2
    dark = rng.uniform(0, 50)
    for sign in (-1, 1):
        eye = centre + np.array((sign * rng.uniform(0.2, 0.5) * unit, -rng.uniform(0.0, 0.4) * unit))
        _ellipse(picture, eye, rng.uniform(0.04, 0.13, 2) * unit, 0, 360, dark, -1)
    nose = centre + np.array((0, rng.uniform(0.1, 0.5) * unit))
    _ellipse(picture, nose, rng.uniform(0.08, 0.3, 2) * unit, 0, 360, dark, -1)
    if rng.random() < 0.6:
        for sign in (-1, 1):
            corner = nose + np.array((sign * 0.2 * unit, 0.15 * unit))
            _ellipse(picture, corner, (0.2 * unit, rng.uniform(0.05, 0.2) * unit), 0, 180, dark, 2)
    return picture


def back_of_head(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """Hair: the face's outline filled with streaks, nothing of eyes, nose and mouth left."""
    side = len(like)
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    inside = np.clip((0.47 - np.hypot(x / rng.uniform(0.8, 1.0), (y + 0.05) / rng.uniform(0.95, 1.2))) / 0.06, 0, 1)
    streaks = cv2.GaussianBlur(
        rng.normal(size=(side, side)), (0, 0), sigmaX=rng.uniform(0.5, 2), sigmaY=rng.uniform(4, 14)
    )
    bend = np.float32(x * side + side / 2 + rng.normal(0, 8) * y), np.float32(y * side + side / 2)
    streaks = cv2.remap(np.float32(streaks / streaks.std()), *bend, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    hair = rng.uniform(15, 150) + rng.uniform(5, 22) * streaks + rng.uniform(0, 60) * (x * rng.normal() - y)
    around = np.where(rng.random() < 0.5, clouds(rng, like), _background(rng, like))
    neck = np.abs(x) < rng.uniform(0.2, 0.35)
    around = np.where(neck & (y > 0.3), float(np.median(like)), around)
    return np.uint8(np.clip(inside * hair + (1 - inside) * around, 0, 255))


def _shades(rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(np.array([rng.uniform(120, 255), rng.uniform(0, 90), rng.uniform(60, 220)]))


def _background(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    return np.full_like(like, int(rng.uniform(0, 255))) if rng.random() < 0.6 else clouds(rng, like)


def _ellipse(picture: np.ndarray, centre: Pair, axes: Pair, begin: float, end: float, shade: float, line: int) -> None:
    middle = tuple(round(float(v)) for v in centre)
    size = tuple(max(round(float(v)), 1) for v in axes)
    cv2.ellipse(picture, middle, size, 0, begin, end, int(shade), line, cv2.LINE_AA)
