"""What the tracker keeps of the past, so that a late result of the detector can be put where it belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from affect_perception.core.tracking.optical_flow import LIKENESS, SUPPORT, FlowImage, follow
from affect_perception.types import Frame

_MOMENTS = 4  # pictures that the detector may be at work on at once; older ones are given up
_CHAIN = 24  # pictures kept between an asked one and now; when there are more, every second one goes


@dataclass(frozen=True, eq=False)
class FaceSnapshot:
    """Where a face was: its box (4,), how far it may have been from there, in face sizes, and how far it was tilted."""

    box: np.ndarray
    spread: float
    roll: float = 0.0  # rad


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A picture that the detector was asked about, and the faces as they were known then, by `FaceState.key`."""

    frame: Frame
    view: FlowImage
    faces: Mapping[int, FaceSnapshot]


class SnapshotHistory:
    """Moments that wait for the detector, and small grey pictures from then to now to carry a new face along."""

    def __init__(self):
        self._asked: set[int] = set()
        self._moments: dict[int, Snapshot] = {}
        self._chain: list[FlowImage] = []
        self._stride = 1
        self._count = 0

    def ask(self, stamp_ns: int) -> None:
        """The picture of this stamp, soon to be kept, is one to remember."""
        self._asked.add(stamp_ns)

    def keep(self, moment: Snapshot) -> None:
        """The picture of now: remembered for long if asked for, and as a link from older ones to newer ones."""
        if not self._moments:
            self._chain, self._stride, self._count = [], 1, 0
        elif self._count % self._stride == 0:
            self._chain.append(moment.view)
        self._count += 1
        if len(self._chain) > _CHAIN:
            self._chain, self._stride = self._chain[1::2], self._stride * 2
        if moment.view.stamp_ns in self._asked:
            self._asked.discard(moment.view.stamp_ns)
            self._moments[moment.view.stamp_ns] = moment
            while len(self._moments) > _MOMENTS:
                del self._moments[min(self._moments)]

    def take(self, stamp_ns: int) -> Snapshot | None:
        """The moment of that stamp, and no more of it or of older ones; None if it was never asked for or given up."""
        moment = self._moments.pop(stamp_ns, None)
        if moment is not None:
            self._moments = {stamp: m for stamp, m in self._moments.items() if stamp > stamp_ns}
        return moment

    def carry(self, boxes: np.ndarray, moment: Snapshot, now: FlowImage) -> tuple[np.ndarray, np.ndarray]:
        """Where the faces in `boxes` (N, 4) of that moment are now, and which of them could be followed, (N,) bool."""
        at, alive, before = boxes, np.ones(len(boxes), bool), moment.view
        shift = np.zeros((len(boxes), 2))
        for view in [*(v for v in self._chain if moment.view.stamp_ns < v.stamp_ns < now.stamp_ns), now]:
            motion = follow(before, view, at, shift)
            alive &= motion.support >= SUPPORT
            at, shift, before = motion.moved(at), motion.shift, view
        similarity = [moment.view.patch(a) @ now.patch(b) for a, b in zip(boxes, at, strict=True)]
        return at, alive & (np.array(similarity).reshape(-1) >= LIKENESS)
