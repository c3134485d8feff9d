"""Re-identification by face embeddings: galleries of known people, and the choice of detections to embed.

An embedding is a vector near to those of the same person and far from those of others (for dlib's, see
detectors/dlib/embedding). The core only compares embeddings and does not know the network. Embeddings identify people:
they stay in memory, are never published or written, and are deleted with their identity.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from affect_perception.core.boxes import iou
from affect_perception.types import DetectionRequest

OTHER_PERSON = 0.6  # dlib's own threshold: embeddings further apart are of two people
_GALLERY_SIZE = 5  # embeddings kept of one person: neutral, smiling, turned
_KNOWN_IOU = 0.5  # IoU from which a detection is of a known face
_MAX_NEW = 12  # unknown faces embedded in one run of the detector, at 5 ms each


@dataclass(eq=False)
class Identity:
    """Track id of one person with a gallery of embeddings (K, D); K = 0 until the first embedding."""

    track_id: int
    gallery: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def add(self, embedding: np.ndarray) -> None:
        """Add an embedding (D,) to the gallery; a full gallery drops the one nearest to another."""
        rows = np.concatenate([self.gallery.reshape(-1, len(embedding)), embedding[None]])
        if len(rows) > _GALLERY_SIZE:
            between = embedding_distances(rows, rows)
            np.fill_diagonal(between, np.inf)
            rows = np.delete(rows, between.min(axis=1).argmin(), axis=0)
        self.gallery = rows

    def distance(self, embeddings: np.ndarray) -> float:
        """Least distance between `embeddings` (L, D) and the gallery; inf when either is empty."""
        empty = not len(embeddings) or not len(self.gallery)
        return np.inf if empty else float(embedding_distances(embeddings, self.gallery).min())


def embedding_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) Euclidean distances between the rows of a (N, D) and b (M, D)."""
    distances: np.ndarray = np.linalg.norm(a[:, None] - b[None], axis=2)
    return distances


def faces_to_embed(request: DetectionRequest, boxes: np.ndarray) -> list[int]:
    """Indices of the detected `boxes` (M, 4) to embed: requested known faces, and the largest unknown ones."""
    if not len(boxes):
        return []
    overlap = iou(boxes, request.known_boxes)
    known = overlap.max(axis=1, initial=0) > _KNOWN_IOU
    requested = [i for i in np.nonzero(known)[0] if request.embed[overlap[i].argmax()]]
    new = sorted(np.nonzero(~known)[0], key=lambda i: -boxes[i, 2])
    return sorted(int(i) for i in [*requested, *new[:_MAX_NEW]])


@dataclass(frozen=True, eq=False)
class FaceEmbedding:
    """Embedding (D,) of a face; `reliable`: the face was large, unoccluded and wholly in the image."""

    vector: np.ndarray
    reliable: bool
