"""Finding and following in one thread: no frame lost, the same result on every run. Live, they run side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from affect_perception.core.tracking.reidentification import EmbeddingRequest
from affect_perception.core.tracking.tracker import DetectionResult, FaceTracker
from affect_perception.types import Frame, TrackedFrame

Find = Callable[
    [Frame, EmbeddingRequest], DetectionResult
]  # detectors.finder.Finder.find; the core does not know detectors


def step_inline(frame: Frame, find: Find, tracker: FaceTracker) -> TrackedFrame:
    """The faces of one frame; the detector is waited for when the frame is due."""
    found = find(frame, tracker.wish(frame)) if tracker.due(frame) else None
    return tracker.step(frame, found)


def track_inline(frames: Iterable[Frame], find: Find, tracker: FaceTracker) -> Iterator[TrackedFrame]:
    """The faces of each frame."""
    return (step_inline(frame, find, tracker) for frame in frames)
