"""What the tracker knows of one face, and how it changes: followed, coasting, confirmed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from affect_perception.core.tracking.reidentification import FaceEmbedding, Identity

_SPREAD_PER_S = 1.5  # face sizes that a hidden face may stray per second from where it was heading
_MAX_SPREAD = 3.0
_STOP_S = 0.6  # time constant with which a hidden face is thought to slow down
_MAX_ROLL = 1.0  # rad; detectors find no face that is tilted more, so the landmarks are wrong
_LEVEL = 0.4  # share of a measured tilt that is taken on; landmarks are wrong by 2 degrees now and then
_SOON_S, _LATER_S = 1.0, 10.0  # from one close look at a face to the next, while it is little known and after
_LOOKS = 3  # that a person should be known by soon
_SETTLE_S = 0.12  # time constant with which the reported box takes on a correction


@dataclass(eq=False)
class FaceState:
    """One face that is followed. Boxes are (4,) rows of core.geometry, velocity is in px/s and 1/s (growth)."""

    key: int  # of this track, unlike the id of its person it is nobody else's business
    began_ns: int
    box: np.ndarray
    patch: np.ndarray  # its grey picture, see View.patch
    colours: np.ndarray
    confidence: float
    seen_ns: int  # stamp of the picture in which a detector last found it
    followed_ns: int  # last time that flow or a detector saw it
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(3))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(4))  # reported minus estimated box: corrections sink in
    quality: float = 1.0  # likeness with its own earlier picture, in [-1, 1]
    followed: bool = True  # it could be seen in the last picture
    hits: int = 1
    misses: int = 0  # runs of the detector since the last that found it
    roll: float | None = None  # rad by which it is tilted clockwise, None until measured
    roll_offset: float = 0.0  # reported minus estimated
    person: Identity | None = None  # who it is; None as long as that is open
    looks: list[FaceEmbedding] = field(default_factory=list)  # at a face without a person
    looked_ns: int | None = None  # when it was last looked at closely
    unsure: bool = False  # it met another face since

    @property
    def shown(self) -> np.ndarray:
        """The box to report."""
        return self.box + self.offset

    @property
    def shown_roll(self) -> float:
        return (self.roll or 0.0) + self.roll_offset

    @property
    def doubtful(self) -> bool:
        """Found once, and not again when the detector looked again: probably no face."""
        return self.hits == 1 and self.misses > 0

    def hidden_s(self, stamp_ns: int) -> float:
        return (stamp_ns - self.followed_ns) * 1e-9

    def spread(self, stamp_ns: int) -> float:
        """How far it may be from its box, in face sizes, because nothing saw it for a while."""
        return min(self.hidden_s(stamp_ns) * _SPREAD_PER_S, _MAX_SPREAD)

    def guess(self, dt_s: float) -> np.ndarray:
        """(2,) px that it will move within `dt_s`."""
        return self.velocity[:2] * dt_s

    def looks_due(self, stamp_ns: int) -> float:
        """How much another close look is wanted; 0: not."""
        if self.person is None or self.looked_ns is None or self.unsure:
            return np.inf
        age_s = (stamp_ns - self.looked_ns) * 1e-9
        known = len(self.person.gallery)
        wait_s = _LATER_S if known >= _LOOKS else _SOON_S if known else 0.0
        return age_s / max(wait_s, 0.1) if age_s > wait_s else 0.0

    def move(self, box: np.ndarray, turn: float, patch: np.ndarray, alone: bool, dt_s: float, stamp_ns: int) -> None:
        """Flow says it is at `box`, turned by `turn` rad, and its picture there agrees. `alone`: no face in the way."""
        self._settle(dt_s)
        if dt_s > 0:
            x, y = (box[:2] - self.box[:2]).tolist()
            now = np.array([x, y, math.log(box[2] / self.box[2])]) / dt_s
            self.velocity += (now - self.velocity) * min(dt_s / 0.12, 1.0)
        self.box = box
        if self.roll is not None:
            self.roll += turn
        self.unsure |= not alone
        self.followed, self.followed_ns = True, stamp_ns
        if alone and self.quality > 0.8:
            self.patch = blended(self.patch, patch, min(dt_s / 1.0, 0.5))

    def coast(self, dt_s: float) -> None:
        """Nothing can be seen of it: it goes on as it went, slower and slower."""
        self._settle(dt_s)
        self.followed, self.unsure = False, True
        self.box = self.box.copy()
        self.box[:2] += self.guess(dt_s)
        self.velocity *= np.exp(-dt_s / _STOP_S)
        self.velocity[2] = 0.0

    def confirm(self, found: np.ndarray, confidence: float, certain: bool, stamp_ns: int) -> None:
        """A detector found it at `found` (as of now). `certain`: it was being followed, so the box is mostly known.

        Boxes of detectors jitter by a tenth of their size: each is blended in, the first ones by more.
        """
        self.hits += 1
        self.misses = 0
        self.seen_ns = stamp_ns
        self.confidence = confidence
        away = np.linalg.norm(found[:2] - self.box[:2]) / max(self.box[2], 1.0)
        blend = max(1 / self.hits, 0.7 if away > 0.3 else 0.3)
        gain = np.array([blend, blend, blend * 0.7, blend * 0.7]) if certain else np.ones(4)
        change = gain * (found - self.box)
        self.box = self.box + change
        self.offset = self.offset - change if certain else np.zeros(4)

    def level(self, roll: float) -> None:
        """Landmarks say that it is tilted by `roll` rad clockwise (as of now)."""
        if abs(roll) > _MAX_ROLL:
            return
        if self.roll is None:
            self.roll = roll
            return
        change = _LEVEL * (roll - self.roll)
        self.roll, self.roll_offset = self.roll + change, self.roll_offset - change

    def _settle(self, dt_s: float) -> None:
        left = math.exp(-dt_s / _SETTLE_S)
        self.offset = self.offset * left
        self.roll_offset *= left


def blended(old: np.ndarray, new: np.ndarray, share: float) -> np.ndarray:
    """Mix of two unit vectors, of unit length."""
    mixed = old * (1 - share) + new * share
    return mixed / max(math.sqrt(mixed @ mixed), 1e-6)
