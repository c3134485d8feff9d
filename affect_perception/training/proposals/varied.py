"""Varied pictures for the proposal network: each face is another one each time, in a third of the time of `compose`.

A face picture is bent like the surface of a head (yaw as on a cylinder, pitch in perspective, features displaced),
shaded from one side, masked or covered, and drawn at the resolution that it will have. So a few thousand faces do for
a hundred thousand pictures. Noise and exposure of the whole come on the device (`variants.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from affect_perception.training.proposals.pictures import SIZE, FacePool, Image, drawn_background

SHARES = {'london': 0.2, 'portraits': 0.25, 'diffusionfer': 0.25, 'lfw': 0.3}  # of the faces drawn


@dataclass(frozen=True)
class Difficulty:
    """Departure of the faces of a picture from upright, frontal and clear ones.

    `yaw`, `pitch`, `roll`: degrees (most yaw and pitch; of roll a part goes to the most); `occluded`: share of faces.
    """

    yaw: float
    pitch: float
    roll: float
    occluded: float


DIFFICULTIES = (
    Difficulty(yaw=15, pitch=12, roll=12, occluded=0.05),
    Difficulty(yaw=45, pitch=25, roll=30, occluded=0.15),
    Difficulty(yaw=72, pitch=42, roll=60, occluded=0.4),
)


def compose_varied(pool: FacePool, photos: list[Image], seed: tuple[int, ...]) -> Image:
    """(*SIZE, 3) uint8 picture with up to 30 faces of 40 to 330 px; half are doubled ones of half the size."""
    rng = np.random.default_rng(seed)
    doubled = rng.random() < 0.5
    height, width = (side // 2 for side in SIZE) if doubled else SIZE
    picture = drawn_background(rng, pool, photos, height, width)
    difficulty = DIFFICULTIES[rng.choice(3, p=(0.3, 0.4, 0.3))]
    crowd = rng.random() < 0.3
    largest = 140.0 if crowd else 330.0
    for _ in range(0 if rng.random() < 0.08 else rng.integers(1, 31 if crowd else 9)):
        side = float(np.exp(rng.uniform(*np.log((40.0, largest))))) * (0.5 if doubled else 1)
        _draw(rng, picture, *pool.face(rng), side, difficulty)
    picture = _taken(rng, picture)
    return cv2.resize(picture, SIZE[::-1], interpolation=cv2.INTER_LINEAR) if doubled else picture


def _draw(
    rng: np.random.Generator, picture: Image, face: Image, share: float, side: float, difficulty: Difficulty
) -> None:
    """Draw a face with a box of `side` px anywhere, also over the edge."""
    source = min(max(round(side / share), 8), face.shape[1])  # px; no more than the picture will show
    while face.shape[1] >= 2 * source:  # halves are fast
        face = cv2.resize(face, (face.shape[1] // 2, face.shape[0] // 2), interpolation=cv2.INTER_AREA)
    face = cv2.resize(face, (source, source), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        face = face[:, ::-1]
    if rng.random() < 0.5 * difficulty.occluded:
        face = _masked(rng, face, share)
    rgba = np.dstack([_shaded(rng, face), _opacity(rng, source)])
    yaw = np.radians(rng.uniform(-difficulty.yaw, difficulty.yaw))
    rgba = _bent(rng, rgba, yaw, share)
    placed, centre = _placed(rng, picture.shape[1::-1], side, share, difficulty)
    corners = np.array([[0, 0], [source, 0], [source, source], [0, source]], np.float32)
    left, top = np.maximum(np.floor(placed.min(0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(placed.max(0)), picture.shape[1::-1]).astype(int)
    if left >= right or top >= bottom:
        return
    homography = cv2.getPerspectiveTransform(corners, np.float32(placed - (left, top)))
    drawn = cv2.warpPerspective(rgba, homography, (int(right - left), int(bottom - top))).astype(np.float32)
    below = picture[top:bottom, left:right]
    opacity = drawn[..., 3:] / 255
    below[:] = np.uint8(below + (drawn[..., :3] - below) * opacity + 0.5)
    if rng.random() < difficulty.occluded:
        _cover(rng, picture, centre, side)


def _placed(
    rng: np.random.Generator, size: tuple[int, ...], side: float, share: float, difficulty: Difficulty
) -> tuple[np.ndarray, np.ndarray]:
    """Corners (4, 2) of the face picture in the picture: pitch in perspective, stretched, turned; and the centre."""
    half = side / share / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    pitch = np.radians(rng.uniform(-difficulty.pitch, difficulty.pitch))
    nearer = 1 + np.sin(pitch) * corners[:, 1] / (4 * side)
    corners = corners * (1, np.cos(pitch)) / nearer[:, None] * np.exp(rng.normal(0, 0.06, 2))
    corners += rng.normal(0, 0.03 * side, (4, 2)) * (rng.random() < 0.3)
    most = difficulty.roll
    roll = np.radians(rng.normal(0, most / 3) if rng.random() < 0.6 else rng.uniform(-most, most))
    matrix = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    centre = rng.uniform(-0.25 * side, np.array(size) + 0.25 * side)
    return corners @ matrix.T + centre, centre


def _bent(rng: np.random.Generator, rgba: Image, yaw: float, share: float) -> Image:
    """Turn a face picture about the vertical axis, as on a cylinder as wide as the head, or flat in perspective.

    Features are displaced a little, so that it is another face.
    """
    side = rgba.shape[0]
    at = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    radius = max(0.85 * share / 0.72, 0.35) * rng.uniform(0.95, 1.35)  # of the head, in halves of the picture
    if abs(yaw) > 0.2 and rng.random() < 0.5:  # flat: x = u cos / (1 + u sin / distance)
        distance = 2.5
        across = at / (np.cos(yaw) - at * np.sin(yaw) / distance)
        rows = 1 + across * np.sin(yaw) / distance
    else:
        inside = np.abs(at) < radius * 0.999
        angle = np.arcsin(np.clip(at / radius, -0.999, 0.999)) - yaw
        across = np.where(inside & (np.abs(angle) < 1.45), np.sin(angle) * radius, 9)
        if abs(yaw) < 0.35:  # what is beside the head stays
            across = np.where(inside & (across < 9), across, at)
        rows = np.ones_like(across)
    columns = np.broadcast_to(across, (side, side))
    lines = at[:, None] * rows[None]
    moved = rng.normal(0, rng.uniform(0, 0.045) * share, (2, 5, 5)).astype(np.float32)
    dx, dy = (cv2.resize(one, (side, side), interpolation=cv2.INTER_CUBIC) for one in moved)
    x, y = (np.float32((at + shift + 1) / 2 * side - 0.5) for at, shift in ((columns, dx), (lines, dy)))
    return cv2.remap(rgba, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _opacity(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) uint8: the whole picture with a soft rim, or an ellipse of head and neck."""
    at = (np.arange(64, dtype=np.float32) + 0.5) / 32 - 1
    if rng.random() < 0.5:
        alpha = (1 - np.maximum(abs(at)[None], abs(at)[:, None])) / rng.uniform(0.03, 0.15)
    else:
        alpha = (1 - np.hypot(at[None] / rng.uniform(0.7, 1), at[:, None])) / rng.uniform(0.03, 0.2)
    small = np.uint8(255 * np.clip(alpha, 0, 1))
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)


def _shaded(rng: np.random.Generator, face: Image) -> Image:
    """Other exposure, contrast, colours, and light from one side; one in six grey."""
    if rng.random() < 0.16:
        face = cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    levels = (np.arange(256) / 255) ** np.exp(rng.normal(0, 0.4))
    levels = (levels - 0.5) * rng.uniform(0.5, 1.2) + 0.5 + rng.normal(0, 0.07)
    table = np.uint8(np.clip(255 * levels[:, None] * np.exp(rng.normal(0, 0.07, 3)), 0, 255))
    face = cv2.LUT(np.ascontiguousarray(face), table[None])
    if rng.random() < 0.35:
        angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.9)
        at = np.linspace(-1, 1, face.shape[0], dtype=np.float32)
        light = 1 + strength * np.tanh(2 * (at[None] * np.cos(angle) + at[:, None] * np.sin(angle)))
        face = np.uint8(np.clip(face * (light / (1 + strength / 2))[..., None], 0, 255))
    return face


def _masked(rng: np.random.Generator, face: Image, share: float) -> Image:
    """Sunglasses over the eyes, a mask over mouth and nose, or a cap over the forehead."""
    face = np.ascontiguousarray(face).copy()
    side = face.shape[0]
    box = share * side  # of the face, about the middle of the picture
    top, bottom = ((-0.28, 0.02), (0.08, 0.55), (-0.75, -0.28))[rng.integers(3)]
    wide = rng.uniform(0.4, 0.55) * box
    first, last = (side / 2 - wide, side / 2 + top * box), (side / 2 + wide, side / 2 + bottom * box)
    colour = (rng.integers(0, 256, 3) if rng.random() < 0.6 else np.repeat(rng.integers(0, 60), 3)).tolist()
    cv2.rectangle(face, _whole(first), _whole(last), colour, -1)
    return face


def _cover(rng: np.random.Generator, picture: Image, centre: np.ndarray, side: float) -> None:
    """Cover a part of a face by a shape of one colour, or by another part of the picture."""
    extent = rng.uniform(0.1, 0.6, 2) * side
    at = centre + rng.normal(0, 0.4 * side, 2)
    colour = rng.integers(0, 256, 3).tolist()
    kind = rng.integers(4)
    if kind == 0:
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(picture, _whole(at), _whole(extent / 2 + 1), angle, 0, 360, colour, -1)
    elif kind == 1:  # an arm, a pole, a microphone's stand
        first, last = (_whole(at + sign * rng.normal(0, side, 2)) for sign in (-1, 1))
        cv2.line(picture, first, last, colour, max(int(rng.uniform(0.05, 0.3) * side), 1))
    else:
        left, top = (int(v) for v in np.maximum(at - extent / 2, 0))
        right, bottom = (int(v) for v in np.minimum(at + extent / 2, picture.shape[1::-1]))
        if left >= right or top >= bottom:
            return
        if kind == 2:
            cv2.rectangle(picture, (left, top), (right, bottom), colour, -1)
        else:
            y, x = (int(rng.integers(0, most - used + 1)) for most, used in
                    zip(picture.shape, (bottom - top, right - left), strict=False))  # fmt: skip
            picture[top:bottom, left:right] = picture[y : y + bottom - top, x : x + right - left].copy()


def _whole(point: Iterable[float]) -> list[int]:
    return [int(value) for value in point]


def _taken(rng: np.random.Generator, picture: Image) -> Image:
    """Blur of a lens or a movement, and JPEG, of a camera."""
    if rng.random() < 0.12:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.2))
    elif rng.random() < 0.1:
        length = int(rng.integers(3, 12))
        kernel = np.full((1, length), 1 / length, np.float32)
        picture = cv2.filter2D(picture, -1, kernel if rng.random() < 0.7 else kernel.T)
    if rng.random() < 0.3:
        _, coded = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return picture
