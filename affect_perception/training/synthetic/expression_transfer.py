"""Graded smiles of many more people: a London person's smile played on the neutral photograph of somebody else.

London has sixty people to learn from, and a network of this size learns them by heart: their intensities to 0.05,
those of people it has not seen to 0.18. So the way from neutral to smiling is taken off each of them as a movement of
the skin and a change of shade, and put on neutral faces of the sets of photographs (as Liu, Shan & Zhang 2001 do with
ratio images).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.models.smile_va import EXPRESSIONS
from affect_perception.training.data.batches import stills_of
from affect_perception.training.data.face_sets import Faces, Sets
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic.morphs import Morphs
from affect_perception.types import Box

SIZE = 192  # px, side at which the movement is measured
NEUTRAL, HAPPY = 0.8, 0.03  # least share of votes for neutral and largest for happiness of a face that gets a smile
CONTRAST = (0.4, 1.2)  # how much fainter or stronger than in London's light a shade may become
MOST_TURN, MOST_YAW, SCALES = (
    0.25,
    0.12,
    (0.75, 1.4),
)  # rad; nose off the middle, distances of the eyes; of the person's
MOST_APART = 0.05  # of the side, by which the eyes and the nose may lie elsewhere once one face is laid on the other


class Smile(NamedTuple):
    """Change of a person's face of side S from neutral to the full smile."""

    flow: np.ndarray  # (S, S, 2) float32 px: where in the neutral face each place of the smiling one comes from
    shade: np.ndarray  # (S, S) float32 grey values that moving the skin does not explain: teeth, creases, cheeks
    points: np.ndarray  # (5, 2) px, eyes and nose of the neutral face; see detectors.landmarks
    contrast: float  # standard deviation of the grey values around the mouth


def smile_of(morphs: np.ndarray, points: np.ndarray) -> Smile:
    """The smile of a person's (K, S, S) uint8 morphs; flow is taken from step to step, for each moves little."""
    side = morphs.shape[1]
    large = [cv2.resize(m, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for m in morphs[:: max(len(morphs) // 8, 1)]]
    preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    dis = cv2.DISOpticalFlow_create(preset)  # type: ignore[attr-defined]  # OpenCV's stubs leave it out
    flow: np.ndarray = np.zeros((SIZE, SIZE, 2), np.float32)
    for before, after in itertools.pairwise(large):
        step = dis.calc(after, before, None)
        flow = step + _moved(flow, step)
    flow = cv2.GaussianBlur(flow, (0, 0), SIZE / 64)
    flow = cv2.resize(flow, (side, side), interpolation=cv2.INTER_AREA) * (side / SIZE)
    flow *= _lower_face(side)[..., None]
    shade = np.float32(morphs[-1]) - _moved(np.float32(morphs[0]), flow)
    return Smile(flow, shade * _lower_face(side), points, _contrast(morphs[0]))


def with_smile(face: np.ndarray, smile: Smile, laid: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """(K, S, S) uint8 of a neutral (S, S) uint8 `face` at `fractions` (K,) of the way to `smile`.

    `laid` (2, 3) maps places of the smile's person to places of the face.
    """
    flow, shade = (cv2.warpAffine(part, np.float32(laid), face.shape[::-1]) for part in (smile.flow, smile.shade))
    flow = flow @ np.float32(laid[:, :2].T)
    shade = shade * np.clip(_contrast(face) / smile.contrast, *CONTRAST)
    plain = np.float32(face)
    return np.stack(
        [np.uint8(np.clip(_moved(plain, flow * f) + f * shade, 0, 255) + 0.5) for f in np.float32(fractions)]
    )


def laid_on(points: np.ndarray, face: np.ndarray, side: int) -> np.ndarray | None:
    """(2, 3) similarity from the points of a person to those of a `face` (5, 2) px; None where they do not match:
    a face that is turned away, tilted, or framed otherwise."""
    found, _ = cv2.estimateAffinePartial2D(points, face, method=cv2.LMEDS)
    if found is None:
        return None
    scale, turn = float(np.hypot(*found[:, 0])), float(np.arctan2(found[1, 0], found[0, 0]))
    right, left = face[:2].mean(0), face[2:4].mean(0)
    across = (right - left) / max(float(np.hypot(*(right - left))), 1.0)
    yaw = (face[4] - (right + left) / 2) @ across / max(float(np.hypot(*(right - left))), 1.0)
    apart = np.hypot(*(points @ found[:, :2].T + found[:, 2] - face).T).max() / side
    good = abs(turn) < MOST_TURN and abs(yaw) < MOST_YAW and SCALES[0] < scale < SCALES[1] and apart < MOST_APART
    return found if good else None


def strangers(faces: Sequence[Faces], morphs: Morphs, count: int, margin: float, seed: int) -> Morphs:
    """`count` neutral people of `faces`, each with the smile of a person of `morphs` (of the same split).

    margin: of the crops around the face box. Raises ConfigError where too few of the faces fit any smile.
    """
    rng, side = np.random.default_rng((seed, 21)), morphs.crops.shape[2]
    points = _pointer(side, margin)
    smiles = [smile_of(person, points(person[0])) for person in morphs.crops]
    neutral = EXPRESSIONS.index('neutral')
    pools = [f.crops[(f.votes[:, neutral] >= NEUTRAL) & (f.share <= HAPPY)] for f in faces]
    pools = [pool[rng.permutation(len(pool))] for pool in pools if len(pool)]
    crops, names, raw = [], [], []
    for tried in range(len(pools) * max(map(len, pools), default=0)):
        pool, place = pools[tried % len(pools)], tried // len(pools)
        if place >= len(pool):
            continue
        person = int(rng.integers(len(smiles)))
        laid = laid_on(smiles[person].points, points(pool[place]), side)
        if laid is not None:
            crops.append(with_smile(pool[place], smiles[person], laid, morphs.fractions))
            names.append(f'stranger {tried} as {morphs.person[person]}')
            raw.append(morphs.raw[person])
        if len(crops) == count:
            return Morphs(np.stack(crops), np.array(names), np.full(count, np.nan), np.stack(raw))
    raise ConfigError(f'only {len(crops)} neutral faces fit a smile; set `strangers` to at most that, not {count}')


def with_strangers(sets: Sets, settings: TrainingSettings) -> Sets:
    """The sets with `settings.strangers` people among the morphs of the training split, and London's as often."""
    if not settings.strangers:
        return sets
    london = sets['Morphs']['train']
    more = strangers(
        [faces for faces, _ in stills_of(sets, settings)],
        london,
        settings.strangers,
        settings.crop_margin,
        settings.seed,
    )
    again = max(len(more) // len(london), 1)
    order = np.random.default_rng((settings.seed, 22)).permutation(again * len(london) + len(more))
    crops = np.concatenate([london.crops] * again + [more.crops])[order]
    person, tone, raw = (
        np.concatenate([getattr(london, k)] * again + [getattr(more, k)])[order] for k in ('person', 'tone', 'raw')
    )
    train = Morphs(crops, person, tone, raw)
    return sets | {'Morphs': sets['Morphs'] | {'train': train}}


def _pointer(side: int, margin: float) -> Callable[[np.ndarray], np.ndarray]:
    """Eyes and nose (5, 2) px of a crop (S, S) that was cut with `margin` around the face box."""
    from affect_perception.detectors.dlib.landmarks import (  # dlib, which reading other sets does not need
        Landmarks,
        points,
    )

    landmarks, edge = Landmarks(), side / (1 + 2 * margin)
    box = Box.around((side / 2, side / 2), edge, edge)
    return lambda crop: points(landmarks.shape(cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB), box))


def _moved(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """`picture` (S, S, ...) taken from where `flow` says."""
    y, x = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]].astype(np.float32)
    return cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _lower_face(side: int) -> np.ndarray:
    """(S, S) float32 weight: 1 at mouth and cheeks, softly 0 at the forehead and the border."""
    x, y = np.meshgrid(*[(np.arange(side, dtype=np.float32) + 0.5) / side] * 2)
    radius = np.hypot((x - 0.5) / 0.42, (y - 0.62) / 0.38)
    return np.clip((1.15 - radius) / 0.3, 0, 1)


def _contrast(face: np.ndarray) -> float:
    side = len(face)
    return max(float(face[round(0.35 * side) : round(0.85 * side), round(0.2 * side) : round(0.8 * side)].std()), 8.0)
