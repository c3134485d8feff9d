"""Speculative detection for offline work: run the detector on frames before the tracker requests them.

Offline all frames are available. The tracker requests a detection of the first frame, of every `detect_every`-th after
that, or of the first that is `detect_period_s` later, and otherwise only on an event (scene cut, face without an id).
So the frames of that rhythm are submitted as soon as they are read. The results are those of a detector that runs on
request: unrequested ones are discarded, and a request that was not predicted is computed when it comes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from affect_perception.types import Detection, Frame

Detect = Callable[[Frame], list[Detection]]


class DetectorPrefetch:
    """Call `announce` for each frame that is read, in order; `detections` on request and `advance` after each frame.

    `every` and `period_s`: predicted distance of requests in frames and in s, whichever comes first. One thread may
    read while another tracks. An error of `detect` is raised by `detections` for the frame that caused it. `requests`
    counts them, `hits` those that were predicted.
    """

    def __init__(self, detect: Detect, every: int, period_s: float = math.inf) -> None:
        self._detect, self._every, self._period_ns = detect, every, period_s * 1e9
        self._pool = ThreadPoolExecutor(1, thread_name_prefix='detector prefetch')  # detectors are not thread-safe
        self._lock = threading.Lock()
        self._early: dict[int, Future[list[Detection]]] = {}  # by frame number
        self._waiting: dict[int, int] = {}  # stamp in ns of each frame that is read and not yet tracked, by number
        self._read = self._tracked = 0  # frames read, frames tracked
        self._predicted: tuple[int, int] | None = None  # number and stamp of the last predicted request
        self.hits = self.requests = 0

    def announce(self, frame: Frame) -> None:
        """Take note of the next frame read; submit it if a request for it is predicted."""
        with self._lock:
            self._waiting[self._read] = frame.stamp_ns
            if self._predict(self._read, frame.stamp_ns):
                self._early[self._read] = self._pool.submit(self._detect, frame)
            self._read += 1

    def _predict(self, number: int, stamp_ns: int) -> bool:
        """Whether a request for this frame, the next in order, follows from the last predicted one."""
        if self._predicted is not None:
            before, before_ns = self._predicted
            if number - before < self._every and stamp_ns - before_ns < self._period_ns:
                return False
        self._predicted = (number, stamp_ns)
        return True

    def detections(self, frame: Frame) -> list[Detection]:
        """Return the detections of `frame`, the next one to track; blocks until they are there."""
        with self._lock:
            early = self._early.pop(self._tracked, None)
            self.requests, self.hits = self.requests + 1, self.hits + (early is not None)
            if early is None:
                self._restart(frame)
        return (early or self._pool.submit(self._detect, frame)).result()

    def _restart(self, frame: Frame) -> None:
        """Predict anew from an unpredicted request on; what was submitted in the former rhythm is cancelled."""
        self._predicted = (self._tracked, frame.stamp_ns)
        kept = [n for n in sorted(self._waiting) if n > self._tracked and self._predict(n, self._waiting[n])]
        for number in [n for n in self._early if n not in kept]:
            self._early.pop(number).cancel()

    def advance(self) -> None:
        """Go to the next frame; a detection of the current one that was not requested is discarded."""
        with self._lock:
            unrequested = self._early.pop(self._tracked, None)
            self._waiting.pop(self._tracked, None)
            self._tracked += 1
        if unrequested is not None:
            unrequested.cancel()

    def close(self) -> None:
        """Cancel what is queued and wait for the running detection; close its detector first to cut that short."""
        self._pool.shutdown(wait=True, cancel_futures=True)
