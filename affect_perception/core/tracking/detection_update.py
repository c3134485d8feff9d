"""Detection update: confirms the tracked faces that a detection result contains, begins new ones, counts misses.

A result may be of the current frame or of an earlier one. A late result is compared with the snapshot of its own frame
and carried to the current one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from affect_perception.core.boxes import carry_box, covered_share, iou
from affect_perception.core.tracking.face_state import FaceState, blend_unit
from affect_perception.core.tracking.flow_image import FlowImage
from affect_perception.core.tracking.frame_detections import FrameDetections
from affect_perception.core.tracking.matching import match
from affect_perception.core.tracking.occlusion import MAX_COVERED, touching
from affect_perception.core.tracking.snapshots import Snapshot, SnapshotHistory

_SAME_FACE_IOU = 0.5  # from which a detection is of a face that is tracked already
_HISTOGRAM_GAIN = 0.3  # weight of a new colour histogram


@dataclass(frozen=True, eq=False)
class DetectionUpdate:
    """One detection result applied to the faces: `detections` and `snapshot` of its frame, `now` the current frame.

    A detection of at least `new_confidence` may begin a face; `next_key` makes the key of each.
    """

    detections: FrameDetections
    snapshot: Snapshot
    now: FlowImage
    new_confidence: float
    next_key: Callable[[], int]

    @property
    def _late(self) -> bool:
        return self.snapshot.flow_image is not self.now

    def apply(self, faces: list[FaceState], history: SnapshotHistory) -> dict[int, FaceState]:
        """Update `faces` in place, new ones appended; returns the face of each used detection, by its index."""
        known = [f for f in faces if f.key in self.snapshot.faces]
        pairs = match(known, self.snapshot, self.detections)
        by_own_motion = {j for _, j, certain in pairs if certain and self._late}
        indices = range(len(self.detections.detections))
        by_flow = [j for j in indices if j not in by_own_motion]
        boxes = self.detections.carried(by_flow, self.snapshot, self.now, history)
        owners: dict[int, FaceState] = {}
        for i, j, certain in pairs:
            owners[j] = face = known[i]
            # The face's own motion since then is more exact than flow over many frames at once.
            then = self.snapshot.faces[face.key].box
            box = boxes[j] if j in boxes else carry_box(self.detections.boxes[j], then, face.box)
            self._confirm(face, box, j, certain, faces)
        self._count_misses({f.key for f in owners.values()}, known)
        for j in sorted(set(indices) - owners.keys()):
            if j in boxes and self._begins(boxes[j], j, faces):
                owners[j] = self._new_face(boxes[j], j)
                faces.append(owners[j])
        self.detections.update_rolls(owners, self.snapshot)
        return owners

    def _confirm(self, face: FaceState, box: np.ndarray, j: int, certain: bool, faces: Sequence[FaceState]) -> None:
        """Update `face` with detection `j`, whose box in the current frame is `box`; patch and colours if isolated."""
        detection = self.detections.detections[j]
        face.update_from_detection(box, detection.confidence, certain, self.snapshot.flow_image.stamp_ns)
        boxes = np.array([face.box] + [f.box for f in faces if f is not face])
        whole = self.detections.isolated[j] and detection.confidence >= self.new_confidence
        isolated = whole and not touching(boxes)[0]
        if not self._late or face.tracked or not certain:
            face.tracked_ns, face.tracked = self.now.stamp_ns, True
            if isolated:
                face.patch, face.similarity = self.now.patch(face.box), 1.0
        if isolated:
            face.colour_histogram = blend_unit(face.colour_histogram, self.detections.histograms[j], _HISTOGRAM_GAIN)

    def _count_misses(self, confirmed: set[int], known: Sequence[FaceState]) -> None:
        """Count a miss for each face that the detector should have found: known then, not confirmed, not occluded."""
        boxes = [self.snapshot.faces[f.key].box for f in known]
        others = np.array([b for f, b in zip(known, boxes, strict=True) if f.key in confirmed]).reshape(-1, 4)
        for face, box in zip(known, boxes, strict=True):
            occluded = (covered_share(box[None], others) > MAX_COVERED).any()
            if face.key not in confirmed and not occluded:
                face.misses += 1

    def _begins(self, box: np.ndarray, j: int, faces: Sequence[FaceState]) -> bool:
        """True if detection `j`, now at `box`, is credible and of no face that is tracked already."""
        return self.detections.detections[j].confidence >= self.new_confidence and not any(
            f.tracked and iou(box[None], f.box[None])[0, 0] > _SAME_FACE_IOU for f in faces
        )

    def _new_face(self, box: np.ndarray, j: int) -> FaceState:
        """State of a new face, as yet without an identity, from detection `j`, now at `box`."""
        return FaceState(
            self.next_key(),
            created_ns=self.now.stamp_ns,
            box=box,
            patch=self.now.patch(box),
            colour_histogram=self.detections.histograms[j],
            confidence=self.detections.detections[j].confidence,
            detected_ns=self.snapshot.flow_image.stamp_ns,
            tracked_ns=self.now.stamp_ns,
        )
