"""Which detection is which face, by place, size and looks: sure ones first, then those who went unseen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affect_perception.core.tracking.association import COLOURS, NEAR, assign, colour_distance, costs, distances
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.reidentification import STRANGER
from affect_perception.core.tracking.snapshots import Snapshot

_ASTRAY = 1.0  # face sizes by which flow may have gone astray between two finds
_GROWTHS = (0.86, 1.0, 1.16)  # sizes at which a face is looked for in a detection: HOG knows sizes in steps of 1.2


def match(
    faces: Sequence[FaceState],
    moment: Snapshot,
    found: np.ndarray,
    looks: np.ndarray,
    descriptors: np.ndarray | None = None,
) -> list[tuple[int, int, bool]]:
    """(face, detection, certain), by index, as the faces were known at that moment.

    `found` (M, 4) boxes, `looks` (M, COLOURS) and, if known, `descriptors` (M, D) of the detections, rows of NaN for
    those not described. Certain: it was being followed and is found there.
    """
    boxes = np.array([moment.faces[f.key].box for f in faces]).reshape(-1, 4)
    spread = np.array([moment.faces[f.key].spread for f in faces])
    strange = colour_distance(np.array([f.colours for f in faces]).reshape(-1, COLOURS), looks)
    # Those who were followed choose first: a face behind another would else claim what is the face in front.
    sure = assign(np.where(spread[:, None] > 0, np.inf, costs(boxes, spread, found, strange)))
    # Who is left may have been hidden, or followed wrongly: now looks count.
    left = distances(boxes, found) < NEAR + np.maximum(spread, _ASTRAY)[:, None]
    left[[i for i, _ in sure]] = False
    left[:, [j for _, j in sure]] = False
    for i, j in zip(*np.nonzero(left), strict=True):
        strange[i, j] += 1 - moment.view.search(faces[i].patch, found[j], 0.2, _GROWTHS)[0]
        if descriptors is not None and faces[i].person is not None and np.isfinite(descriptors[j]).all():
            left[i, j] = not STRANGER < faces[i].person.distance(descriptors[[j]]) < np.inf
    rest = assign(np.where(left, costs(boxes, spread, found, strange, _ASTRAY), np.inf))
    return [(i, j, True) for i, j in sure] + [(i, j, False) for i, j in rest]
