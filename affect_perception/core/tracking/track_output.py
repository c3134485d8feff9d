"""Which of the followed faces are shown to the world, and how."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affect_perception.core.boxes import covered_share, inside_share, row_to_box
from affect_perception.core.images.crops import face_crop
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.occlusion import HIDDEN
from affect_perception.core.tracking.optical_flow import FlowImage
from affect_perception.settings import TrackerSettings
from affect_perception.types import Frame, Track

_INSIDE = 0.4  # share of a face box inside the picture from which it is reported


def report(
    faces: Sequence[FaceState], frame: Frame, view: FlowImage, settings: TrackerSettings, patience_s: float
) -> tuple[Track, ...]:
    """The tracks of `frame`. `patience_s`: how long a face is believed in without a detector confirming it."""
    boxes = np.array([f.box for f in faces]).reshape(-1, 4)
    credible = inside_share(boxes, view.width, view.height) >= _INSIDE
    credible &= np.array([_credible(f, view, settings, patience_s) for f in faces], bool)
    followed = np.array([f.followed for f in faces], bool)
    in_front = (credible & followed)[None] & ~followed[:, None]  # also a newcomer who has no id yet
    hidden = ((covered_share(boxes, boxes) > HIDDEN) & in_front).any(axis=1)
    return tuple(
        _track(f, frame, view, settings) for f, show in zip(faces, credible & ~hidden, strict=True) if show and f.person
    )


def _credible(face: FaceState, view: FlowImage, settings: TrackerSettings, patience_s: float) -> bool:
    return not (
        face.doubtful
        or (view.stamp_ns - face.seen_ns) * 1e-9 > patience_s
        or face.hidden_s(view.stamp_ns) > settings.max_hidden_s
    )


def _track(face: FaceState, frame: Frame, view: FlowImage, settings: TrackerSettings) -> Track:
    hidden = min(face.hidden_s(view.stamp_ns) / max(settings.max_hidden_s, 1e-3), 1.0)
    box = row_to_box(face.shown)
    roll_rad = face.shown_roll if settings.align else 0.0
    return Track(
        track_id=face.person.track_id,
        box=box,
        confidence=min(max(face.confidence * min(max(face.quality, 0.0) + 0.2, 1.0) * (1 - 0.5 * hidden), 0.0), 1.0),
        detection_age_s=max((view.stamp_ns - face.seen_ns) * 1e-9, 0.0),
        crop=face_crop(frame.rgb, box, settings.crop_size, settings.crop_margin, roll_rad),
    )
