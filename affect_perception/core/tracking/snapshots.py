"""Snapshots of the tracker at the frames given to the detector, so that a late result can be put where it belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from affect_perception.core.tracking.flow_image import MIN_SIMILARITY, FlowImage
from affect_perception.core.tracking.optical_flow import MIN_SUPPORT, estimate_motion
from affect_perception.types import Frame

_MAX_SNAPSHOTS = 4  # frames that the detector may be at work on at once; older ones are evicted
_MAX_LINKS = 24  # flow images kept between a requested frame and now; when there are more, every second one goes


@dataclass(frozen=True, eq=False)
class FaceSnapshot:
    """Box (4,) of a face at a past frame, its position uncertainty in face sizes, and its roll in rad."""

    box: np.ndarray
    uncertainty: float
    roll: float = 0.0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One past frame with its flow image and its faces, by `FaceState.key`."""

    frame: Frame
    flow_image: FlowImage
    faces: Mapping[int, FaceSnapshot]


class SnapshotHistory:
    """Snapshots of the requested frames, and flow images from then to now along which a new face is carried."""

    def __init__(self) -> None:
        self._requested: set[int] = set()
        self._snapshots: dict[int, Snapshot] = {}
        self._links: list[FlowImage] = []
        self._stride = 1
        self._count = 0

    def request(self, stamp_ns: int) -> None:
        """Mark the frame of that stamp, soon to be added, as one to keep."""
        self._requested.add(stamp_ns)

    def __contains__(self, stamp_ns: int) -> bool:
        return stamp_ns in self._snapshots

    def add(self, snapshot: Snapshot) -> None:
        """Add the current frame: kept if requested, else its flow image serves as a link from older frames to now."""
        if not self._snapshots:
            self._links, self._stride, self._count = [], 1, 0
        elif self._count % self._stride == 0:
            self._links.append(snapshot.flow_image)
        self._count += 1
        if len(self._links) > _MAX_LINKS:
            self._links, self._stride = self._links[1::2], self._stride * 2
        stamp_ns = snapshot.flow_image.stamp_ns
        if stamp_ns in self._requested:
            self._requested.discard(stamp_ns)
            self._snapshots[stamp_ns] = snapshot
            while len(self._snapshots) > _MAX_SNAPSHOTS:
                del self._snapshots[min(self._snapshots)]

    def pop(self, stamp_ns: int) -> Snapshot | None:
        """Pop the snapshot at `stamp_ns` and discard older ones; None if it was not requested or has been evicted."""
        snapshot = self._snapshots.pop(stamp_ns, None)
        if snapshot is not None:
            self._snapshots = {stamp: s for stamp, s in self._snapshots.items() if stamp > stamp_ns}
        return snapshot

    def carry(self, boxes: np.ndarray, snapshot: Snapshot, now: FlowImage) -> tuple[np.ndarray, np.ndarray]:
        """Carry `boxes` (N, 4) from the snapshot to the frame `now` by optical flow along the links.

        Returns the boxes (N, 4) and which of them flow could track, (N,) bool.
        """
        first = snapshot.flow_image
        carried, alive, before = boxes, np.ones(len(boxes), bool), first
        shift = np.zeros((len(boxes), 2))
        for image in [*(v for v in self._links if first.stamp_ns < v.stamp_ns < now.stamp_ns), now]:
            motion = estimate_motion(before, image, carried, shift)
            alive &= motion.support >= MIN_SUPPORT
            carried, shift, before = motion.apply(carried), motion.shift, image
        similarity = [first.patch(a) @ now.patch(b) for a, b in zip(boxes, carried, strict=True)]
        return carried, alive & (np.array(similarity).reshape(-1) >= MIN_SIMILARITY)
