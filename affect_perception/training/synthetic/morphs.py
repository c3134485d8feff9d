"""Graded smiles: each London person's neutral portrait morphed into the smiling one, as crops framed like live faces.

A morph has a known order, which is more than any label here has; how strong its end is differs from person to person:
many of the "smiling" portraits hardly smile. The teacher says how strong each step of the way is (`strength.py`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from affect_perception.core.images.crops import face_crop
from affect_perception.sources.scene.morph import Morph
from affect_perception.sources.scene.portraits import FACE_CENTRE, canonical
from affect_perception.training.data.strength import graded, intensity_of, presence_of
from affect_perception.types import Box

SIDE = 128  # px, face box of the portraits that are morphed
STEEPEST = 0.7  # px of flow from one pixel to the next; 1 is a fold
# The mouth in a crop, in shares of its side: centre (x, y), half width and height of the smallest and largest ellipse.
MOUTH_CENTRE, MOUTH_SMALL, MOUTH_LARGE = (0.5, 0.68), (0.2, 0.11), (0.34, 0.24)


@dataclass(frozen=True, eq=False)
class Morphs:
    """P persons of one split, each at K fractions of the way, evenly from 0 (neutral) to 1 (smiling)."""

    crops: np.ndarray  # (P, K, S, S) uint8 grey
    person: np.ndarray  # (P,) str
    tone: np.ndarray  # (P,) individual typology angle of the skin, degrees; see `skin_tone`
    raw: np.ndarray  # (P, K) raw smile strength of the teacher, never falling along a row

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def fractions(self) -> np.ndarray:
        """(K,) float32 from 0 to 1."""
        return np.linspace(0, 1, self.crops.shape[1], dtype=np.float32)

    @property
    def share(self) -> np.ndarray:
        """(P, K) presence that the strength stands for."""
        return presence_of(self.raw)

    @property
    def strength(self) -> np.ndarray:
        """(P, K) graded strength in [0, 1]."""
        return graded(self.raw)

    @property
    def intensity(self) -> np.ndarray:
        """(P, K) absolute smile intensity."""
        return intensity_of(self.share, self.strength)

    def intensity_at(self, person: int, fraction: np.ndarray) -> np.ndarray:
        """(T,) intensity of a person at fractions (T,) of the way."""
        return np.interp(fraction, self.fractions, self.intensity[person])


def morphed(neutral: np.ndarray, smiling: np.ndarray, box: Box, count: int, size: int, margin: float) -> np.ndarray:
    """(count, size, size) uint8 grey crops between two RGB portraits; `box` is the face in the neutral one."""
    centre = FACE_CENTRE[0] * SIDE, FACE_CENTRE[1] * SIDE
    portraits = canonical(neutral, box, SIDE), canonical(smiling, same_face(neutral, smiling, box), SIDE)
    morph, face = Morph(*portraits, centre=centre, side=SIDE), Box.around(centre, SIDE, SIDE)
    for _ in range(20):  # where the flow folds, Morph cannot invert it and tears the mouth
        if _steepest(morph.flow) < STEEPEST:
            break
        morph.flow = cv2.GaussianBlur(morph.flow, (0, 0), SIDE / 60)
    crops = [face_crop(morph(float(t)), face, size, margin) for t in np.linspace(0, 1, count)]
    return np.stack([cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in crops])


def skin_tone(rgb: np.ndarray, box: Box) -> float:
    """Individual typology angle of both cheeks, degrees: atan((L* − 50) / b*) (Chardon et al. 1991).

    Above 41 the skin is light, from 10 to 41 intermediate or tan, below brown or dark (Del Bino & Bernerd 2013).
    `box` is dlib's face box in an (H, W, 3) uint8 picture taken in even light.
    """
    cheeks = []
    for left, right in ((0.2, 0.34), (0.66, 0.8)):
        rows = slice(round(box.y + 0.55 * box.height), round(box.y + 0.68 * box.height))
        columns = slice(round(box.x + left * box.width), round(box.x + right * box.width))
        cheeks.append(rgb[rows, columns].reshape(-1, 3))
    lab = cv2.cvtColor(np.float32(np.concatenate(cheeks)[None]) / 255, cv2.COLOR_RGB2LAB)[0]
    lightness, _, yellow = np.median(lab, axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def _steepest(flow: np.ndarray) -> float:
    """The largest change of a flow (H, W, 2) from one pixel to the next, px."""
    return float(max(np.hypot(*np.moveaxis(np.diff(flow, axis=axis), 2, 0)).max() for axis in (0, 1)))


def same_face(neutral: np.ndarray, smiling: np.ndarray, box: Box) -> Box:
    """Box in the smiling portrait around the eyes and nose that `box` of the neutral one frames, of the same size.

    The detector's own boxes come in a few sizes and steps (in the London set 216 or 259 px wide, 24 px apart); a morph
    between two such framings would stretch the face, while these portraits were taken at one distance.
    """
    x, y = (round(v) for v in (box.x + 0.1 * box.width, box.y + 0.1 * box.height))
    x, y = max(x, 0), max(y, 0)
    patch = neutral[y : y + round(0.5 * box.height), x : x + round(0.8 * box.width)]
    fit = cv2.matchTemplate(smiling, patch, cv2.TM_CCOEFF_NORMED)
    found_x, found_y = cv2.minMaxLoc(fit)[3]
    return Box(box.x + found_x - x, box.y + found_y - y, box.width, box.height)


def with_other_mouth(face: np.ndarray, mouth: np.ndarray, spread: float) -> np.ndarray:
    """(S, S) `face` with the mouth of the aligned picture `mouth`; spread 0 swaps the lips, 1 the lower cheeks too."""
    weight = _mouth(face.shape[0], round(4 * spread))
    return np.uint8(face + weight * (mouth.astype(np.float32) - face) + 0.5)


@functools.lru_cache(16)
def _mouth(size: int, quarter: int) -> np.ndarray:
    """(S, S) float32 weight of the mouth, 1 inside and softly 0 outside."""
    x, y = np.meshgrid(*[(np.arange(size, dtype=np.float32) + 0.5) / size] * 2)
    width, height = (a + (b - a) * quarter / 4 for a, b in zip(MOUTH_SMALL, MOUTH_LARGE, strict=True))
    radius = np.hypot((x - MOUTH_CENTRE[0]) / width, (y - MOUTH_CENTRE[1]) / height)
    return np.clip((1.25 - radius) / 0.5, 0, 1)
