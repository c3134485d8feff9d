"""Asynchronous detection beside the tracker: submit a request, collect its result some frames later."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from affect_perception.detectors.detector_process import FaceAnalyzerProcess
from affect_perception.detectors.face_analyzer import FaceAnalyzer
from affect_perception.types import DetectionRequest, DetectionResult


class AsyncDetector:
    """Runs one request at a time in a thread. `submit` never blocks, `collect` only with `wait`.

    `on_done` gets the seconds that each successful run took, in the detector's thread. `runs` counts the requests.
    `problem` says why the last request failed; '' after a success.
    """

    def __init__(
        self, analyzer: FaceAnalyzer | FaceAnalyzerProcess, on_done: Callable[[float], None] | None = None
    ) -> None:
        self._analyzer = analyzer
        self._on_done = on_done
        self._pool = ThreadPoolExecutor(1, thread_name_prefix='detector')
        self._running: Future[DetectionResult] | None = None
        self.runs = 0
        self.problem = ''

    @property
    def free(self) -> bool:
        """Whether `submit` may be called: no request is running or waits to be collected."""
        return self._running is None

    def submit(self, request: DetectionRequest) -> None:
        """Start the detection that the tracker requests; only while `free`. Non-blocking."""
        self.runs += 1
        self._running = self._pool.submit(self._analyze, request)

    def _analyze(self, request: DetectionRequest) -> DetectionResult:
        start = time.perf_counter()
        result = self._analyzer.analyze(request)
        if self._on_done is not None:
            self._on_done(time.perf_counter() - start)
        return result

    def collect(self, wait: bool = False) -> DetectionResult | None:
        """Return the finished result, once, or None. Raises the detector's error in place of a result."""
        if self._running is None or not (wait or self._running.done()):
            return None
        running, self._running = self._running, None
        try:
            result = running.result()
        except Exception as error:
            self.problem = str(error)
            raise
        self.problem = ''
        return result

    def close(self) -> None:
        """End the detector; a child process is killed, a run in this process is waited for."""
        self._analyzer.close()  # first, as the thread may wait for a child that has stopped
        self._pool.shutdown(wait=True, cancel_futures=True)
