"""Motion update: moves all faces from the last frame to the current one, by optical flow or by prediction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.flow_image import (
    MIN_SIMILARITY,
    REACQUIRE_SIMILARITY,
    FlowImage,
    patch_similarity,
)
from affect_perception.core.tracking.occlusion import drifted_to_another, touching, visible_points
from affect_perception.core.tracking.optical_flow import MIN_SUPPORT, estimate_motion

_SEARCH_MARGIN = 0.25  # box sizes around its predicted position in which an occluded face is searched


def update_motion(faces: Sequence[FaceState], last: FlowImage, now: FlowImage) -> None:
    """Update each face with its flow from the frame `last` to `now`; a face that cannot be seen is predicted.

    An occluded face is searched around its predicted position and re-acquired at a high similarity.
    """
    dt_s = (now.stamp_ns - last.stamp_ns) * 1e-9
    boxes = np.array([f.box for f in faces])
    was_tracked = np.array([f.tracked for f in faces])
    visible = visible_points(boxes, np.array([f.similarity for f in faces]), was_tracked)
    motion = estimate_motion(last, now, boxes, np.array([f.predicted_shift(dt_s) for f in faces]), visible)
    moved = motion.apply(boxes)
    for i, face in enumerate(faces):
        if not face.tracked:  # the flow there is not of this face
            moved[i] = now.search(face.patch, face.predicted_box(dt_s), _SEARCH_MARGIN)[1]
    patches = now.patches(moved)
    similarity = patch_similarity(np.array([f.patch for f in faces]), patches)
    by_flow = (motion.support >= MIN_SUPPORT) & (similarity >= MIN_SIMILARITY)
    tracked = np.where(was_tracked, by_flow, similarity >= REACQUIRE_SIMILARITY)
    tracked &= not (now.blank or last.blank)
    # A face that was tracked wins its place over one that is re-acquired there.
    tracked &= ~drifted_to_another(moved, np.where(was_tracked, similarity, -1.0), tracked)
    touch = touching(moved)
    for i, face in enumerate(faces):
        face.similarity = float(similarity[i])
        if tracked[i]:
            rotation = motion.rotation[i] if was_tracked[i] else 0.0
            face.update_from_flow(moved[i], rotation, patches[i], not touch[i], dt_s, now.stamp_ns)
        else:
            face.predict(dt_s)
