"""Association cost between tracked faces and detections, solved by Hungarian assignment (Kuhn 1955, as in SORT).

The cost is in face sizes: distance of the centres, plus difference in size, plus appearance distance. Appearance breaks
the tie when two people meet; near a well tracked face, position alone decides.
"""

from __future__ import annotations

import cv2
import numpy as np

from affect_perception.core.images.crops import crop_square, face_square
from affect_perception.types import Box

GATE = 0.6  # face sizes between prediction and detection of a face without position uncertainty
MAX_SCALE = 2.0  # a face does not grow or shrink by more between prediction and detection
# Appearance distance (colour distance plus 1 - NCC of the patches) from which two faces are two people. London
# portraits with the jitter of HOG: same person 0.25 (95 %: 0.45), other 0.75 (1 %: 0.45). A face that emerges from
# behind another is still covered in part, hence the higher limit near the prediction, and the lower one far from it.
MAX_APPEARANCE_NEAR, MAX_APPEARANCE_FAR = 0.95, 0.45
_SIDE, _MARGIN, _BINS = 32, 0.3, 8
HISTOGRAM_SIZE = _BINS**3  # values of a colour histogram
_HEAD_MASK = cv2.ellipse(np.zeros((_SIDE, _SIDE), np.uint8), (16, 14), (10, 14), 0, 0, 360, 255, -1)


def colour_histogram(rgb: np.ndarray, box: Box) -> np.ndarray:
    """(512,) float32 of unit length: square roots of the RGB histogram of hair and face. rgb is (H, W, 3) uint8."""
    head = crop_square(rgb, face_square(box, _MARGIN), _SIDE)
    counts = cv2.calcHist([head], [0, 1, 2], _HEAD_MASK, [_BINS] * 3, [0, 256] * 3).ravel()
    histogram: np.ndarray = np.sqrt(counts / counts.sum())
    return histogram


def colour_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) Hellinger distance in [0, 1] between colour histograms in rows of `a` (N, 512) and `b` (M, 512)."""
    distance: np.ndarray = np.sqrt(np.maximum(1 - a @ b.T, 0))
    return distance


def association_costs(
    faces: np.ndarray,
    uncertainty: np.ndarray,
    detections: np.ndarray,
    appearance: np.ndarray,
    min_uncertainty: float = 0.0,
) -> np.ndarray:
    """(N, M) cost of associating each face (N, 4) with each detection (M, 4); inf outside the gate.

    `uncertainty` (N,): position uncertainty of each face in face sizes, 0 for a face seen in the last frame.
    `appearance` (N, M): appearance distance, 0 for equal images. `min_uncertainty` widens every gate to that many face
    sizes; as for a face with position uncertainty, the appearance must then agree.
    """
    reach = np.maximum(uncertainty, min_uncertainty)[:, None]
    distance = centre_distances(faces, detections)
    size, detected_size = faces[:, 2:].mean(axis=1)[:, None], detections[:, 2:].mean(axis=1)[None]
    log_scale = np.abs(np.log(np.maximum(detected_size, 1) / np.maximum(size, 1)))
    possible = (distance < GATE + reach) & (log_scale < np.log(MAX_SCALE))
    far = np.minimum(distance / (0.5 + uncertainty[:, None]), 1)
    max_appearance = MAX_APPEARANCE_NEAR + (MAX_APPEARANCE_FAR - MAX_APPEARANCE_NEAR) * far
    possible &= (reach == 0) | (appearance < max_appearance)
    return np.where(possible, distance / (1 + reach) + 0.5 * log_scale + 1.5 * appearance, np.inf)


def centre_distances(faces: np.ndarray, detections: np.ndarray) -> np.ndarray:
    """(N, M) distances of the box centres in face sizes, of `faces` (N, 4) and `detections` (M, 4)."""
    size, detected_size = faces[:, 2:].mean(axis=1)[:, None], detections[:, 2:].mean(axis=1)[None]
    distance = np.linalg.norm(faces[:, None, :2] - detections[None, :, :2], axis=2)
    ratio: np.ndarray = distance / np.maximum((size + detected_size) / 2, 1)
    return ratio


def assign(cost: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (row, column) of least total cost among those of finite cost in `cost` (N, M), as many as possible."""
    if not cost.size:
        return []
    from scipy.optimize import linear_sum_assignment  # slow to import: the detector's process does without

    forbidden = 1e6
    pairs = zip(*linear_sum_assignment(np.where(np.isfinite(cost), cost, forbidden)), strict=True)
    return [(int(i), int(j)) for i, j in pairs if np.isfinite(cost[i, j])]
