"""A detector that runs beside the tracker: ask when it is free, collect what it found some frames later."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from affect_perception.detectors.detector_process import FaceAnalyzerProcess
from affect_perception.detectors.face_analyzer import FaceAnalyzer
from affect_perception.types import DetectionRequest, DetectionResult


class AsyncDetector:
    """One picture at a time in a thread of its own. `submit` never waits; `collect` never waits unless told to."""

    def __init__(
        self, finder: FaceAnalyzer | FaceAnalyzerProcess, on_done: Callable[[float], None] = lambda seconds: None
    ):
        self._finder = finder
        self._on_done = on_done  # gets the seconds that each run took
        self._pool = ThreadPoolExecutor(1, thread_name_prefix='detector')
        self._running: Future[DetectionResult] | None = None
        self.runs = 0

    @property
    def free(self) -> bool:
        return self._running is None

    def submit(self, request: DetectionRequest) -> None:
        """Start the detection that the tracker requests; only while `free`. Non-blocking."""
        self.runs += 1
        self._running = self._pool.submit(self._analyze, request)

    def _analyze(self, request: DetectionRequest) -> DetectionResult:
        start = time.perf_counter()
        found = self._finder.analyze(request)
        self._on_done(time.perf_counter() - start)
        return found

    def collect(self, wait: bool = False) -> DetectionResult | None:
        """What was found since the last call, or None; an error of the detector is raised here."""
        if self._running is None or not (wait or self._running.done()):
            return None
        running, self._running = self._running, None
        return running.result()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._finder.close()
