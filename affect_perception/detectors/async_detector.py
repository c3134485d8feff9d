"""Asynchronous detection beside the tracker: submit a request, collect its result some frames later."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for

from affect_perception.detectors.detector_process import FaceAnalyzerProcess
from affect_perception.detectors.face_analyzer import FaceAnalyzer
from affect_perception.types import DetectionRequest, DetectionResult

LATE_S = 3.0  # after a request, from which the absence of a detection is an error


class AsyncDetector:
    """Runs one request at a time in a thread. `submit` never blocks, `collect` only with `wait`.

    `on_done` gets the seconds that each successful run took, in the detector's thread. `runs` counts the requests.
    `problem` says why the last request failed, or for how long there has been no detection; '' after a success.
    """

    def __init__(
        self, analyzer: FaceAnalyzer | FaceAnalyzerProcess, on_done: Callable[[float], None] | None = None
    ) -> None:
        self._analyzer = analyzer
        self._on_done = on_done
        self._pool = ThreadPoolExecutor(1, thread_name_prefix='detector')
        self._running: Future[DetectionResult] | None = None
        self.runs = 0
        self._failure = ''
        self._since_s: float | None = None  # time of the first request since the last success; None: none is open
        self._quickest_s = math.inf  # that a successful run took: slow ones may have been starved

    @property
    def priority(self) -> str:
        """Scheduling of the detector: `idle` or `share` (FaceAnalyzerProcess), else `normal`."""
        return str(getattr(self._analyzer, 'priority', 'normal'))

    @property
    def waiting_s(self) -> float:
        """Time for which a detection has been requested in vain, in seconds; 0 while none is open."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    @property
    def problem(self) -> str:
        """Reason why there are no detections; '' if there are."""
        waiting_s = self.waiting_s
        usual_s = self._quickest_s if math.isfinite(self._quickest_s) else 0.0
        late = f'no detection for {waiting_s:.0f} s' if waiting_s > max(LATE_S, 3 * usual_s) else ''
        return '; '.join(filter(None, (late, self._failure)))

    @property
    def free(self) -> bool:
        """Whether `submit` may be called: no request is running or waits to be collected."""
        return self._running is None

    def submit(self, request: DetectionRequest) -> None:
        """Start the detection that the tracker requests; only while `free`. Non-blocking."""
        self.runs += 1
        if self._since_s is None:
            self._since_s = time.monotonic()
        self._running = self._pool.submit(self._analyze, request)

    def _analyze(self, request: DetectionRequest) -> DetectionResult:
        start = time.perf_counter()
        result = self._analyzer.analyze(request)
        seconds = time.perf_counter() - start
        self._since_s, self._quickest_s = None, min(self._quickest_s, seconds)
        if self._on_done is not None:
            self._on_done(seconds)
        return result

    def collect(self, wait: bool = False, wait_s: float = 0.0) -> DetectionResult | None:
        """Return the finished result, once, or None. Raises the detector's error in place of a result.

        `wait`: for as long as it takes; `wait_s`: that long at most.
        """
        if self._running is not None and wait_s > 0:
            wait_for([self._running], wait_s)
        if self._running is None or not (wait or self._running.done()):
            return None
        running, self._running = self._running, None
        try:
            result = running.result()
        except Exception as error:
            self._failure = str(error)
            raise
        self._failure = ''
        return result

    def close(self) -> None:
        """End the detector; a child process is killed, a run in this process is waited for."""
        self._analyzer.close()  # first, as the thread may wait for a child that has stopped
        self._pool.shutdown(wait=True, cancel_futures=True)
