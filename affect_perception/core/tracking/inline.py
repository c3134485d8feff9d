"""Synchronous tracking: the detector is waited for, no frame is dropped, and every run gives the same tracks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.types import DetectionRequest, DetectionResult, Frame, TrackedFrame

Analyze = Callable[[DetectionRequest], DetectionResult]  # `FaceAnalyzer.analyze`; the core knows no detector


def step_inline(frame: Frame, analyze: Analyze, tracker: FaceTracker) -> TrackedFrame:
    """Track one frame; runs `analyze` first where the tracker requests a detection."""
    request = tracker.request(frame)
    return tracker.step(frame, None if request is None else analyze(request))


def track_inline(frames: Iterable[Frame], analyze: Analyze, tracker: FaceTracker) -> Iterator[TrackedFrame]:
    """Track each frame in turn, see `step_inline`."""
    return (step_inline(frame, analyze, tracker) for frame in frames)
