"""Who is who by face descriptors: galleries of known people, and which detections are to be described for them.

A descriptor is a row of numbers that lies near those of the same person and far from those of others (for dlib's,
see detectors.descriptor). Here they are only compared: whoever makes them is not known to the core. They identify
people, so they stay in memory, are never published or written, and go when their person is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from affect_perception.core.boxes import iou
from affect_perception.types import DetectionRequest

STRANGER = 0.6  # dlib's own threshold: descriptors further apart are two people's
_GALLERY = 5  # descriptors kept of one person: neutral, smiling, turned
_AT = 0.5  # IoU from which a detection is of a known face
_NEWCOMERS = 12  # unknown faces described in one run of the detector, at 5 ms each


@dataclass(eq=False)
class Identity:
    """An id, and the (K, D) descriptors by which its owner is known, K = 0 while nobody looked."""

    track_id: int
    gallery: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def learn(self, descriptor: np.ndarray) -> None:
        """One more look (D,). When there are enough, the one goes that is most like another."""
        rows = np.concatenate([self.gallery.reshape(-1, len(descriptor)), descriptor[None]])
        if len(rows) > _GALLERY:
            between = apart(rows, rows)
            np.fill_diagonal(between, np.inf)
            rows = np.delete(rows, between.min(axis=1).argmin(), axis=0)
        self.gallery = rows

    def distance(self, looks: np.ndarray) -> float:
        """From the nearest of `looks` (L, D) to the nearest in the gallery; inf when either is empty."""
        return float(apart(looks, self.gallery).min()) if len(looks) and len(self.gallery) else np.inf


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) Euclidean distances between the rows of a (N, D) and b (M, D)."""
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def faces_to_embed(request: DetectionRequest, boxes: np.ndarray) -> list[int]:
    """Indices of the detected `boxes` (M, 4) to embed: requested known faces, and the largest unknown ones."""
    if not len(boxes):
        return []
    overlap = iou(boxes, request.known_boxes)
    known = overlap.max(axis=1, initial=0) > _AT
    due = [i for i in np.nonzero(known)[0] if request.embed[overlap[i].argmax()]]
    new = sorted(np.nonzero(~known)[0], key=lambda i: -boxes[i, 2])
    return sorted(int(i) for i in [*due, *new[:_NEWCOMERS]])


@dataclass(frozen=True, eq=False)
class FaceEmbedding:
    """A descriptor (D,) of a face; `clear`: all of it could be seen, so it is good enough to remember."""

    descriptor: np.ndarray
    clear: bool
