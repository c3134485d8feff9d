"""Finding and following in one thread: no frame lost, the same result on every run. Live, they run side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from affect_perception.core.tracker import FaceTracker, Found
from affect_perception.types import Detection, Frame, TrackedFrame

Detect = Callable[[np.ndarray], list[Detection]]  # FaceDetector.detect; the core does not know detectors


def track_inline(frames: Iterable[Frame], detect: Detect, tracker: FaceTracker) -> Iterator[TrackedFrame]:
    """The faces of each frame; the detector is waited for on every frame that is due."""
    for frame in frames:
        found = Found(frame.stamp_ns, detect(frame.rgb)) if tracker.due(frame) else None
        yield tracker.step(frame, found)
