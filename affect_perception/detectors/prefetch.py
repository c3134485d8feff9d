"""Speculative detection for offline work: run the detector on frames before the tracker requests them.

Offline all frames are available. The tracker requests a detection of the first frame, of every `detect_every`-th after
that, and otherwise only on an event (scene cut, face without an id). So the frames of that rhythm are submitted as soon
as they are read. The results are those of a detector that runs on request: unrequested ones are discarded, and a
request that was not predicted is computed when it comes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from affect_perception.types import Detection, Frame

Detect = Callable[[Frame], list[Detection]]


class DetectorPrefetch:
    """Call `announce` for each frame that is read, in order; `detections` on request and `advance` after each frame.

    `every`: predicted distance of requests in frames. One thread may read while another tracks. An error of `detect` is
    raised by `detections` for the frame that caused it. `requests` counts them, `hits` those that were predicted.
    """

    def __init__(self, detect: Detect, every: int) -> None:
        self._detect, self._every = detect, every
        self._pool = ThreadPoolExecutor(1, thread_name_prefix='detector prefetch')  # detectors are not thread-safe
        self._lock = threading.Lock()
        self._early: dict[int, Future[list[Detection]]] = {}  # by frame number
        self._read = self._tracked = self._requested = 0  # frames read, frames tracked, number of the last request
        self.hits = self.requests = 0

    def announce(self, frame: Frame) -> None:
        """Take note of the next frame read; submit it if a request for it is predicted."""
        with self._lock:
            if (self._read - self._requested) % self._every == 0:
                self._early[self._read] = self._pool.submit(self._detect, frame)
            self._read += 1

    def detections(self, frame: Frame) -> list[Detection]:
        """Return the detections of `frame`, the next one to track; blocks until they are there."""
        with self._lock:
            early = self._early.pop(self._tracked, None)
            self._requested, self.requests = self._tracked, self.requests + 1
            self.hits += early is not None
            for number in [n for n in self._early if early is None and (n - self._requested) % self._every]:
                self._early.pop(number).cancel()  # of the former rhythm
        return (early or self._pool.submit(self._detect, frame)).result()

    def advance(self) -> None:
        """Go to the next frame; a detection of the current one that was not requested is discarded."""
        with self._lock:
            unrequested = self._early.pop(self._tracked, None)
            self._tracked += 1
        if unrequested is not None:
            unrequested.cancel()

    def close(self) -> None:
        """Cancel what is queued and wait for the running detection; close its detector first to cut that short."""
        self._pool.shutdown(wait=True, cancel_futures=True)
