"""Selection of the faces to publish for a frame, and their `Track` records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from affect_perception.core.boxes import covered_share, inside_share, row_to_box
from affect_perception.core.images.crops import face_crop
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.flow_image import REACQUIRE_SIMILARITY
from affect_perception.core.tracking.occlusion import MAX_COVERED
from affect_perception.core.tracking.reidentification import Identity
from affect_perception.settings import TrackerSettings
from affect_perception.types import Frame, Track

_NEW_S = 0.5  # for which a face must have been seen to be published while it is hidden
_MIN_INSIDE = 0.4  # share of a face box inside the image from which it is published


@dataclass(frozen=True)
class Looked:
    """Reach of the detector's looks in time: without a look, a face that is not seen has not gone.

    `until_ns`: stamp up to which a missing detection says that a face is gone; `result_ns`: stamp of the newest result,
    None before the first. `hidden_s`: for so long a face that flow lost after that result is published.
    """

    until_ns: int
    result_ns: int | None
    hidden_s: float

    def since_loss(self, face: FaceState) -> bool:
        """Whether the detector has looked since flow lost `face`."""
        return self.result_ns is not None and self.result_ns > face.tracked_ns


def track_output(
    faces: Sequence[FaceState], frame: Frame, settings: TrackerSettings, max_undetected_s: float, looked: Looked
) -> tuple[Track, ...]:
    """Select the tracks to publish for a frame and build their `Track` records.

    `max_undetected_s`: longest time since its last detection for which a face is credible, as far as the detector has
    `looked`.
    """
    boxes = np.array([f.box for f in faces]).reshape(-1, 4)
    credible = inside_share(boxes, frame.width, frame.height) >= _MIN_INSIDE
    credible &= np.array([_credible(f, frame.stamp_ns, settings, max_undetected_s, looked) for f in faces], bool)
    tracked = np.array([f.tracked for f in faces], bool)
    in_front = (credible & tracked)[None] & ~tracked[:, None]  # also a new face that has no id yet
    covered = ((covered_share(boxes, boxes) > MAX_COVERED) & in_front).any(axis=1)
    return tuple(
        _track(f, f.identity, frame, settings)
        for f, show in zip(faces, credible & ~covered, strict=True)
        if show and f.identity
    )


def _credible(
    face: FaceState, stamp_ns: int, settings: TrackerSettings, max_undetected_s: float, looked: Looked
) -> bool:
    known = face.tracked or looked.since_loss(face)
    hidden_s = settings.max_hidden_s if known else looked.hidden_s
    # Something else is in the place of a face that has only just come: often a passer-by whom the detector has not yet
    # seen. The box of the hidden one, carried on by a motion hardly known, would lie on his face.
    new = face.tracked_ns - face.created_ns < _NEW_S * 1e9
    if new and face.similarity < REACQUIRE_SIMILARITY and hidden_s <= settings.max_hidden_s:
        hidden_s = 0.0
    until_ns = looked.until_ns if face.tracked or hidden_s > settings.max_hidden_s else stamp_ns
    undetected_s = (until_ns - face.detected_ns) * 1e-9
    return not (
        face.tentative
        or undetected_s > face.allowed_s(max_undetected_s, settings.max_turned_s)
        or face.untracked_s(stamp_ns) > hidden_s
    )


def _track(face: FaceState, identity: Identity, frame: Frame, settings: TrackerSettings) -> Track:
    untracked = min(face.untracked_s(frame.stamp_ns) / max(settings.max_hidden_s, 1e-3), 1.0)
    box = row_to_box(face.output_box)
    roll_rad = face.output_roll if settings.align else 0.0
    confidence = face.confidence * min(max(face.similarity, 0.0) + 0.2, 1.0) * (1 - 0.5 * untracked)
    return Track(
        track_id=identity.track_id,
        box=box,
        confidence=min(max(confidence, 0.0), 1.0),
        detection_age_s=max((frame.stamp_ns - face.detected_ns) * 1e-9, 0.0),
        crop=face_crop(frame.rgb, box, settings.crop_size, settings.crop_margin, roll_rad),
    )
