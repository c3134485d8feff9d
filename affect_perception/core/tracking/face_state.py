"""State of one tracked face, and its updates: from optical flow, by prediction, and from a detection."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from affect_perception.core.tracking.reidentification import FaceEmbedding, Identity

_UNCERTAINTY_PER_S = 1.5  # face sizes per second by which the position of an occluded face becomes uncertain
_MAX_UNCERTAINTY = 3.0
_STOP_S = 0.6  # time constant with which the predicted velocity of an occluded face decays
_MAX_ROLL = 1.0  # rad; detectors find no face that is tilted more, so the landmarks are wrong
_ROLL_GAIN = 0.4  # share of a measured roll that is taken on; landmarks are wrong by 2 degrees now and then
_SOON_S, _LATER_S = 1.0, 10.0  # from one embedding of a face to the next, while its gallery is small and after
_FULL_GALLERY = 3  # embeddings of a person that are wanted soon
_OFFSET_DECAY_S = 0.12  # time constant with which the output box takes on a correction
_VELOCITY_S = 0.12  # time constant of the velocity estimate
_ESTABLISHED = 4  # detections from which a face may turn away from the detector and stay a face


@dataclass(eq=False)
class FaceState:
    """State of one tracked face. Boxes are (4,) rows of core.boxes; velocity is (3,): px/s, px/s, log scale per s."""

    key: int  # of this track; unlike the id of its person, it is never published
    created_ns: int
    box: np.ndarray
    patch: np.ndarray  # reference image of the face, see FlowImage.patch
    colour_histogram: np.ndarray
    confidence: float
    detected_ns: int  # stamp of the frame of the last detection
    tracked_ns: int  # stamp of the last frame in which flow or a detection saw the face
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(3))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(4))  # output minus estimated box; corrections decay
    similarity: float = 1.0  # NCC with its own patch, in [-1, 1]
    tracked: bool = True  # seen by flow or a detection in the last frame; False: occluded or lost
    followed: bool = True  # seen in every frame since the last detection
    hits: int = 1  # detections so far
    misses: int = 0  # runs of the detector since the last detection
    roll: float | None = None  # clockwise roll in rad, None until measured
    roll_offset: float = 0.0  # output minus estimated roll
    identity: Identity | None = None  # None while the person is not decided
    embeddings: list[FaceEmbedding] = field(default_factory=list)  # collected while there is no identity
    embedded_ns: int | None = None  # stamp of the last embedding
    identity_uncertain: bool = False  # the face met another one, or was lost, since the last embedding

    @property
    def output_box(self) -> np.ndarray:
        """(4,) box to publish: the estimate, with corrections smoothed."""
        box: np.ndarray = self.box + self.offset
        return box

    @property
    def output_roll(self) -> float:
        """Roll to publish in rad; 0 until measured."""
        return (self.roll or 0.0) + self.roll_offset

    @property
    def tentative(self) -> bool:
        """True for a face detected once and missed by the next run of the detector: probably a false detection."""
        return self.hits == 1 and self.misses > 0

    def untracked_s(self, stamp_ns: int) -> float:
        """Seconds since flow or a detection saw the face."""
        return (stamp_ns - self.tracked_ns) * 1e-9

    def undetected_s(self, stamp_ns: int, looked_ns: int) -> float:
        """Seconds without a detection; of a face that flow follows, up to `looked_ns` (FaceTracker._looked_ns)."""
        return ((looked_ns if self.tracked else stamp_ns) - self.detected_ns) * 1e-9

    def allowed_s(self, timeout_s: float, turned_s: float) -> float:
        """Seconds without a detection after which the face is given up.

        `timeout_s`; `turned_s` if longer, for a face detected often whose head flow has followed without a gap: it has
        turned to where the detector knows no faces.
        """
        return max(timeout_s, turned_s) if self.followed and self.hits >= _ESTABLISHED else timeout_s

    def position_uncertainty(self, stamp_ns: int) -> float:
        """Possible distance in face sizes from `box`, growing with the time without a measurement."""
        return min(self.untracked_s(stamp_ns) * _UNCERTAINTY_PER_S, _MAX_UNCERTAINTY)

    def predicted_shift(self, dt_s: float) -> np.ndarray:
        """(2,) px: predicted motion of the centre within `dt_s`, at constant velocity."""
        shift: np.ndarray = self.velocity[:2] * dt_s
        return shift

    def predicted_box(self, dt_s: float) -> np.ndarray:
        """(4,) predicted box after `dt_s`, at constant velocity and size."""
        box: np.ndarray = self.box + np.append(self.predicted_shift(dt_s), (0, 0))
        return box

    def embedding_priority(self, stamp_ns: int) -> float:
        """Priority of a new embedding; 0: none wanted, inf: the identity is open or uncertain."""
        if self.identity is None or self.embedded_ns is None or self.identity_uncertain:
            return math.inf
        age_s = (stamp_ns - self.embedded_ns) * 1e-9
        known = len(self.identity.gallery)
        wait_s = _LATER_S if known >= _FULL_GALLERY else _SOON_S if known else 0.0
        return age_s / max(wait_s, 0.1) if age_s > wait_s else 0.0

    def update_from_flow(
        self, box: np.ndarray, rotation: float, patch: np.ndarray, isolated: bool, dt_s: float, stamp_ns: int
    ) -> None:
        """Update with the flow of one frame: new `box` (4,), `rotation` in rad, and the `patch` there.

        `isolated`: no other face touches it; only then the reference patch is adapted.
        """
        self._decay_offset(dt_s)
        if dt_s > 0:
            x, y = (box[:2] - self.box[:2]).tolist()
            measured = np.array([x, y, math.log(box[2] / self.box[2])]) / dt_s
            self.velocity += (measured - self.velocity) * min(dt_s / _VELOCITY_S, 1.0)
        self.box = box
        if self.roll is not None:
            self.roll += rotation
        self.identity_uncertain |= not isolated
        self.tracked, self.tracked_ns = True, stamp_ns
        if isolated and self.similarity > 0.8:
            self.patch = blend_unit(self.patch, patch, min(dt_s / 1.0, 0.5))

    def predict(self, dt_s: float) -> None:
        """Predict without a measurement: constant velocity, exponentially damped."""
        self._decay_offset(dt_s)
        self.tracked, self.followed, self.identity_uncertain = False, False, True
        self.box = self.box.copy()
        self.box[:2] += self.predicted_shift(dt_s)
        self.velocity *= np.exp(-dt_s / _STOP_S)
        self.velocity[2] = 0.0

    def update_from_detection(self, box: np.ndarray, confidence: float, certain: bool, stamp_ns: int) -> None:
        """Update with a detection, `box` (4,) carried to the current frame; `stamp_ns` is that of the detector's frame.

        `certain`: the face was tracked then, so `box` is blended in; otherwise it replaces the estimate. Boxes of
        detectors jitter by a tenth of their size; the first ones of a face get a larger weight.
        """
        self.hits += 1
        self.misses, self.followed = 0, True
        self.detected_ns = stamp_ns
        self.confidence = confidence
        distance = np.linalg.norm(box[:2] - self.box[:2]) / max(self.box[2], 1.0)
        blend = max(1 / self.hits, 0.7 if distance > 0.3 else 0.3)
        gain = np.array([blend, blend, blend * 0.7, blend * 0.7]) if certain else np.ones(4)
        change = gain * (box - self.box)
        self.box = self.box + change
        self.offset = self.offset - change if certain else np.zeros(4)

    def update_roll(self, roll: float) -> None:
        """Update with a `roll` in rad measured from landmarks (clockwise, carried to the current frame)."""
        if abs(roll) > _MAX_ROLL:
            return
        if self.roll is None:
            self.roll = roll
            return
        change = _ROLL_GAIN * (roll - self.roll)
        self.roll, self.roll_offset = self.roll + change, self.roll_offset - change

    def _decay_offset(self, dt_s: float) -> None:
        left = math.exp(-dt_s / _OFFSET_DECAY_S)
        self.offset = self.offset * left
        self.roll_offset *= left


def blend_unit(old: np.ndarray, new: np.ndarray, weight: float) -> np.ndarray:
    """Weighted mean of two unit vectors (K,), of unit length; `weight` is that of `new`."""
    mixed = old * (1 - weight) + new * weight
    blended: np.ndarray = mixed / max(math.sqrt(mixed @ mixed), 1e-6)
    return blended
