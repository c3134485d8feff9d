"""Two-stage matching of detections to tracked faces: first by position and size, then by appearance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affect_perception.core.tracking.association import (
    GATE,
    HISTOGRAM_SIZE,
    assign,
    association_costs,
    centre_distances,
    colour_distance,
)
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.frame_detections import FrameDetections
from affect_perception.core.tracking.reidentification import OTHER_PERSON
from affect_perception.core.tracking.snapshots import Snapshot

_MAX_DRIFT = 1.0  # face sizes by which flow may have drifted between two detections
_SEARCH_MARGIN = 0.2  # box sizes around a detection in which a face is searched
_SEARCH_SCALES = (0.86, 1.0, 1.16)  # HOG knows face sizes in steps of 1.2


def match(faces: Sequence[FaceState], snapshot: Snapshot, detections: FrameDetections) -> list[tuple[int, int, bool]]:
    """Match detections to `faces` as of `snapshot`: (face index, detection index, certain).

    Certain: the face was tracked and is detected at its position. The second stage takes the faces left over, which may
    have been occluded or have drifted; there the appearance, and the embedding where there is one, must agree.
    """
    boxes = np.array([snapshot.faces[f.key].box for f in faces]).reshape(-1, 4)
    uncertainty = np.array([snapshot.faces[f.key].uncertainty for f in faces])
    histograms = np.array([f.colour_histogram for f in faces]).reshape(-1, HISTOGRAM_SIZE)
    appearance = colour_distance(histograms, detections.histograms)
    # Tracked faces choose first: a face behind another would otherwise claim the detection of the face in front.
    costs = association_costs(boxes, uncertainty, detections.boxes, appearance)
    certain = assign(np.where(uncertainty[:, None] > 0, np.inf, costs))
    left = centre_distances(boxes, detections.boxes) < GATE + np.maximum(uncertainty, _MAX_DRIFT)[:, None]
    left[[i for i, _ in certain]] = False
    left[:, [j for _, j in certain]] = False
    for i, j in zip(*np.nonzero(left), strict=True):
        ncc, _ = snapshot.flow_image.search(faces[i].patch, detections.boxes[j], _SEARCH_MARGIN, _SEARCH_SCALES)
        appearance[i, j] += 1 - ncc
        left[i, j] = not _other_person(faces[i], detections, j)
    costs = association_costs(boxes, uncertainty, detections.boxes, appearance, _MAX_DRIFT)
    rest = assign(np.where(left, costs, np.inf))
    return [(i, j, True) for i, j in certain] + [(i, j, False) for i, j in rest]


def _other_person(face: FaceState, detections: FrameDetections, j: int) -> bool:
    """True if the embedding of detection `j` is surely not that of the face's person; False where there is none."""
    if detections.embeddings is None or face.identity is None or not np.isfinite(detections.embeddings[j]).all():
        return False
    return OTHER_PERSON < face.identity.distance(detections.embeddings[[j]]) < np.inf
