"""Detections of one frame, prepared for the tracker: filtered by confidence, as arrays, and carried to later frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from affect_perception.core.boxes import boxes_to_rows, inside_share
from affect_perception.core.tracking.association import HISTOGRAM_SIZE, colour_histogram
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.flow_image import FlowImage
from affect_perception.core.tracking.occlusion import touching
from affect_perception.core.tracking.reidentification import FaceEmbedding
from affect_perception.core.tracking.snapshots import Snapshot, SnapshotHistory
from affect_perception.settings import TrackerSettings
from affect_perception.types import Detection, DetectionResult, Frame

_GALLERY_PX, _GALLERY_INSIDE = 40, 0.98  # size, and share inside the image, of a face whose embedding is reliable


def colour_histograms(frame: Frame, detections: Sequence[Detection]) -> np.ndarray:
    """(N, HISTOGRAM_SIZE) float32 colour histograms of N detected faces."""
    return np.array([colour_histogram(frame.rgb, d.box) for d in detections], np.float32).reshape(-1, HISTOGRAM_SIZE)


@dataclass(frozen=True, eq=False)
class FrameDetections:
    """M detections of at least `min_confidence`, with boxes (M, 4) in the frame of the detector.

    `histograms` (M, HISTOGRAM_SIZE); `embeddings` as in `DetectionResult`; `rolls` (M,) rad or NaN; `isolated` (M,): no
    other face touches it; `reliable` (M,): isolated, large, credible and wholly inside the image.
    """

    detections: list[Detection]
    boxes: np.ndarray
    histograms: np.ndarray
    embeddings: np.ndarray | None
    rolls: np.ndarray
    isolated: np.ndarray
    reliable: np.ndarray

    @classmethod
    def from_result(cls, result: DetectionResult, snapshot: Snapshot, settings: TrackerSettings) -> FrameDetections:
        """Select the detections of a result that reach `settings.min_confidence`; `snapshot` is of the same frame."""
        kept = [i for i, d in enumerate(result.detections) if d.confidence >= settings.min_confidence]
        detections = [result.detections[i] for i in kept]
        boxes = boxes_to_rows([d.box for d in detections])
        isolated = ~touching(boxes)
        credible = np.array([d.confidence >= settings.new_confidence for d in detections], bool)
        inside = inside_share(boxes, snapshot.flow_image.width, snapshot.flow_image.height) >= _GALLERY_INSIDE
        histograms = result.colour_histograms
        return cls(
            detections,
            boxes,
            colour_histograms(snapshot.frame, detections) if histograms is None else histograms[kept],
            None if result.embeddings is None else result.embeddings[kept],
            np.full(len(kept), np.nan) if result.rolls is None else result.rolls[kept],
            isolated,
            isolated & credible & inside & (boxes[:, 2] >= _GALLERY_PX),
        )

    def carried(
        self, which: Collection[int], snapshot: Snapshot, now: FlowImage, history: SnapshotHistory
    ) -> dict[int, np.ndarray]:
        """Boxes (4,) in the frame `now` of the detections `which`, by index; without those that flow lost."""
        if snapshot.flow_image is now:
            return {j: self.boxes[j] for j in which}
        if not which:  # the usual case; flow through all frames since then is the expensive part
            return {}
        boxes, alive = history.carry(self.boxes[list(which)], snapshot, now)
        return {j: box for j, box, tracked in zip(which, boxes, alive, strict=True) if tracked}

    def update_rolls(self, owners: Mapping[int, FaceState], snapshot: Snapshot) -> None:
        """Update the roll of each face in `owners` (detection index → face) with the measured one."""
        for j, face in owners.items():
            if np.isfinite(self.rolls[j]) and (self.isolated[j] or face.roll is None):
                before = snapshot.faces.get(face.key)
                since = face.roll - before.roll if before is not None and face.roll is not None else 0.0
                face.update_roll(self.rolls[j] + since)

    def embeddings_of(self, owners: Mapping[int, FaceState]) -> dict[FaceState, FaceEmbedding]:
        """Embeddings by face, of those faces in `owners` (detection index → face) that were embedded."""
        rows = self.embeddings
        if rows is None:
            return {}
        return {
            face: FaceEmbedding(rows[j], bool(self.reliable[j]))
            for j, face in owners.items()
            if np.isfinite(rows[j]).all()
        }
