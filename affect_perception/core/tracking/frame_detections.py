"""What a detector found in a picture, as it comes and as the tracker works with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from affect_perception.core.boxes import boxes_to_rows, inside_share
from affect_perception.core.tracking.association import COLOURS, colours
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.occlusion import touched
from affect_perception.core.tracking.optical_flow import FlowImage
from affect_perception.core.tracking.reidentification import FaceEmbedding
from affect_perception.core.tracking.snapshots import Snapshot, SnapshotHistory
from affect_perception.settings import TrackerSettings
from affect_perception.types import Detection, DetectionResult, Frame

_CLEAR_PX, _CLEAR_INSIDE = 40, 0.98  # size, and share inside the picture, of a face that is worth remembering


def colours_of(frame: Frame, detections: Sequence[Detection]) -> np.ndarray:
    """(N, COLOURS) float32, of each of N faces."""
    return np.array([colours(frame.rgb, d.box) for d in detections], np.float32).reshape(-1, COLOURS)


@dataclass(frozen=True, eq=False)
class FrameDetections:
    """M detections that count, with their boxes `then` (M, 4).

    `colours` (M, COLOURS); `descriptors` as `DetectionResult.embeddings`; `rolls` (M,) rad or NaN; `alone` (M,): nobody in the way;
    `clear` (M,): large, and all of it in the picture besides.
    """

    detections: list[Detection]
    then: np.ndarray
    colours: np.ndarray
    descriptors: np.ndarray | None
    rolls: np.ndarray
    alone: np.ndarray
    clear: np.ndarray

    @classmethod
    def of(cls, found: DetectionResult, moment: Snapshot, settings: TrackerSettings) -> FrameDetections:
        kept = [i for i, d in enumerate(found.detections) if d.confidence >= settings.min_confidence]
        detections = [found.detections[i] for i in kept]
        then = boxes_to_rows([d.box for d in detections])
        alone = ~touched(then)
        credible = np.array([d.confidence >= settings.new_confidence for d in detections], bool)
        inside = inside_share(then, moment.view.width, moment.view.height) >= _CLEAR_INSIDE
        return cls(
            detections,
            then,
            colours_of(moment.frame, detections) if found.colour_histograms is None else found.colour_histograms[kept],
            None if found.embeddings is None else found.embeddings[kept],
            np.full(len(kept), np.nan) if found.rolls is None else found.rolls[kept],
            alone,
            alone & credible & inside & (then[:, 2] >= _CLEAR_PX),
        )

    def now(
        self, which: Collection[int], moment: Snapshot, view: FlowImage, history: SnapshotHistory
    ) -> dict[int, np.ndarray]:
        """Where those of the detections `which` are in the picture `view`, boxes (4,), that could be followed there."""
        if moment.view is view:
            return {j: self.then[j] for j in which}
        if not which:  # the usual case, and following them through all pictures since then is the dear part
            return {}
        boxes, alive = history.carry(self.then[list(which)], moment, view)
        return {j: box for j, box, there in zip(which, boxes, alive, strict=True) if there}

    def level(self, owners: Mapping[int, FaceState], moment: Snapshot) -> None:
        """Tells the faces how they are tilted; `owners` are the faces by index of their detection."""
        for j, face in owners.items():
            if np.isfinite(self.rolls[j]) and (self.alone[j] or face.roll is None):
                before = moment.faces.get(face.key)
                since = face.roll - before.roll if before is not None and face.roll is not None else 0.0
                face.level(self.rolls[j] + since)

    def looks(self, owners: Mapping[int, FaceState]) -> dict[FaceState, FaceEmbedding]:
        """Those that were described."""
        described = np.isfinite(self.descriptors).all(axis=1)
        return {
            face: FaceEmbedding(self.descriptors[j], bool(self.clear[j])) for j, face in owners.items() if described[j]
        }
