"""Films of one face: the same camera, light and head for all frames, as crops that the live tracker would cut.

`london_frames` plays a smile and speech over a person's morphs, `scrambled` makes what a detector should not have
found; `filmed` puts a camera before them. Pictures are grey, (T, S, S) in 0..255.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Generator, Tensor

from affect_perception.training.data.augmentation import (
    blurred,
    exposure,
    geometry,
    jpeg,
    lit_from_one_side,
    low_resolution,
)
from affect_perception.training.synthetic import trajectories

LIP_ROWS, LIP_COLUMNS = (0.6, 0.8), (0.4, 0.6)  # where in a crop the line between closed lips lies, shares of its side
USUAL_LIP_ROW = 0.68
JAW_DROP = 0.1  # share of the side by which the lower lip of a mouth that is wide open has moved


def lip_line(crop: np.ndarray) -> float:
    """Row (px) of the line between the closed lips of a neutral (S, S) uint8 face: the darkest one where it can be,
    less believed the further it is from where most faces have it (below a full lip there is often a darker shade)."""
    side = len(crop)
    first, last = (round(side * share) for share in LIP_ROWS)
    left, right = (round(side * share) for share in LIP_COLUMNS)
    rows = cv2.GaussianBlur(crop, (0, 0), side / 64)[first:last, left:right].mean(1)
    away = (np.arange(first, last) - USUAL_LIP_ROW * side) / side
    return float(first + np.argmin(rows / max(rows.std(), 1) + (away / 0.035) ** 2))


def open_mouth(crop: np.ndarray, line: float, opening: float) -> np.ndarray:
    """(S, S) uint8 `crop` with the mouth open by `opening` in [0, 1], as in speech: the lips part to a dark ellipse,
    the narrower the wider they part (the corners come in), and the chin goes down."""
    if opening < 0.02:
        return crop
    side = len(crop)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    x, below = x - side / 2, y - line
    half_width = (0.15 - 0.04 * opening) * side
    gap = opening * JAW_DROP * side * np.sqrt(np.clip(1 - (x / half_width) ** 2, 0, 1))  # its height in each column
    jaw = opening * JAW_DROP * side * np.exp(-((x / (0.25 * side)) ** 2))
    up, down = 0.2 * gap, 0.8 * gap
    around = np.exp(-((x / (0.22 * side)) ** 2) - (below / (0.16 * side)) ** 2)
    from_x = x * (1 + 0.12 * opening * around)
    from_y = np.where(
        below > 0,
        y
        - np.maximum(down, 0.8 * jaw * np.clip(below / (0.08 * side), 0, 1))
        * np.exp(-np.maximum(below, 0) / (0.4 * side)),
        y + up * np.exp(below / (0.06 * side)),
    )
    moved = cv2.remap(
        crop, np.float32(from_x + side / 2), np.float32(from_y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    edge = np.clip(np.minimum(below + up, down - below) / 1.2 + 0.3, 0, 1) * (gap > 0.5)
    dark = float(np.quantile(crop[round(0.3 * side) : round(0.8 * side)], 0.02)) * 0.8
    return np.uint8(moved * (1 - edge) + dark * edge)


def morph_at(morphs: np.ndarray, fraction: float) -> np.ndarray:
    """(S, S) uint8 picture at `fraction` of the way, between the two nearest of a person's (K, S, S) morphs."""
    place = fraction * (len(morphs) - 1)
    below = min(int(place), len(morphs) - 2)
    return cv2.addWeighted(morphs[below], 1 - (place - below), morphs[below + 1], place - below, 0)


def london_frames(morphs: np.ndarray, fraction: np.ndarray, opening: np.ndarray) -> np.ndarray:
    """(T, S, S) uint8 of one person: smile `fraction` (T,) and mouth `opening` (T,)."""
    line = lip_line(morphs[0])
    return np.stack([open_mouth(morph_at(morphs, f), line, o) for f, o in zip(fraction, opening, strict=True)])


def scrambled(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """(S, S) uint8 that has a face's grey values and is none: its tiles in another order, a small part of it, its grey
    values as coarse noise or as clouds (noise whose amplitude falls with frequency, as in photographs), or a wall."""
    kind, side = rng.integers(5), len(face)
    if kind == 0:
        count = int(rng.integers(2, 5))
        edge = side // count
        tiles = [face[a * edge : (a + 1) * edge, b * edge : (b + 1) * edge] for a in range(count) for b in range(count)]
        order = rng.permutation(len(tiles))
        rows = [np.concatenate([tiles[order[a * count + b]] for b in range(count)], 1) for a in range(count)]
        return cv2.resize(np.concatenate(rows), (side, side))
    if kind == 1:
        edge = round(side * rng.uniform(0.15, 0.3))
        top, left = (int(rng.integers(0, side - edge)) for _ in range(2))
        return cv2.resize(face[top : top + edge, left : left + edge], (side, side))
    if kind == 2:
        coarse = np.float32(rng.permutation(cv2.resize(face, (12, 12), interpolation=cv2.INTER_AREA).ravel()))
        coarse = cv2.resize(coarse.reshape(12, 12), (side, side), interpolation=cv2.INTER_CUBIC)
        return np.uint8(np.clip(coarse, 0, 255))
    return clouds(rng, face) if kind == 3 else wall(rng, face)


def clouds(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """(S, S) uint8 noise with the mean and deviation of `like`; amplitude ∝ 1 / frequency^a, a from 0.6 to 1.8."""
    side = len(like)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing='ij'))
    spectrum = np.fft.rfft2(rng.normal(size=(side, side))) / np.maximum(frequency, 1 / side) ** rng.uniform(0.6, 1.8)
    noise = np.fft.irfft2(spectrum, (side, side))
    return np.uint8(np.clip((noise - noise.mean()) / noise.std() * like.std() + like.mean(), 0, 255))


def wall(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """(S, S) uint8 flat areas with straight edges and a gradient, in grey values of `like`: walls, doors, shelves."""
    side = len(like)
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    picture = np.full((side, side), float(rng.choice(like.ravel())))
    for _ in range(rng.integers(0, 5)):
        turn, offset = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]), rng.uniform(-0.5, 0.5)
        picture[x * np.cos(turn) + y * np.sin(turn) > offset] = float(rng.choice(like.ravel()))
    turn = rng.uniform(0, 2 * np.pi)
    return np.uint8(np.clip(picture + rng.uniform(0, 60) * (x * np.cos(turn) + y * np.sin(turn)), 0, 255))


def filmed(
    frames: np.ndarray, seconds: np.ndarray, rng: np.random.Generator, strength: float = 1.0, moving: float = 1.0
) -> np.ndarray:
    """(T, S, S) uint8 frames to pictures (T, S, S) uint8 as one camera sees them: one light, one exposure, one quality,
    sensor noise of its own in every frame, a hand or a cup before the face for a while; the head moves.

    `strength` 0 is a good camera, `moving` 0 a head and a face box that keep still; noise there always is.
    """
    torch_rng, count = Generator().manual_seed(int(rng.integers(2**62))), len(frames)
    x = torch.from_numpy(frames).float()
    moved = trajectories.motion(rng, seconds, moving)
    flip = torch.full((count,), bool(rng.random() < 0.5))
    angle, scale, shift_x, shift_y = (torch.from_numpy(np.float32(part)) for part in moved)
    x = geometry(x, angle, scale, shift_x, shift_y, flip)

    def often(share: float) -> bool:
        return bool(rng.random() < share * strength)

    if often(0.3):
        light = lit_from_one_side(torch.ones(1, *x.shape[1:]), torch.zeros(1, dtype=torch.long), torch_rng)
        x = x * light
    look = (rng.uniform(-0.6, 0.8), rng.uniform(-0.8, 0.3), rng.uniform(-35, 25))
    x = exposure(x, *(torch.full((count,), strength * value) for value in look))
    if often(0.2):
        x = covered(x, rng)
    if often(0.25):
        x = blurred(x, torch.nonzero(torch.from_numpy(rng.random(count) < rng.uniform(0.1, 1))).squeeze(1), torch_rng)
    if often(0.35):
        x = low_resolution(x, int(rng.integers(20, 56)))
    x = x + rng.uniform(0.5, 3 + 9 * strength * often(0.3)) * torch.randn(x.shape, generator=torch_rng)
    if often(0.3):
        x = jpeg(x, torch.full((count,), rng.uniform(0.5, 4.5)))
    return x.clamp(0, 255).round().byte().numpy()


def covered(x: Tensor, rng: np.random.Generator) -> Tensor:
    """A flat patch before the face in consecutive frames: over the eyes (glasses), the mouth (mask) or anywhere."""
    count, side = x.shape[:2]
    begin, end = sorted(rng.integers(0, count + 1, 2)) if rng.random() < 0.6 else (0, count)
    top, bottom, left, right = {
        0: (0.25, 0.48, 0.1, 0.9),
        1: (0.52, 1.0, 0.12, 0.88),
        2: (*np.sort(rng.random(2)), *np.sort(rng.random(2))),
    }[int(rng.integers(3))]
    rows, columns = slice(int(top * side), int(bottom * side)), slice(int(left * side), int(right * side))
    x = x.clone()
    x[begin:end, rows, columns] = float(rng.uniform(0, 255))
    return x
