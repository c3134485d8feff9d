"""The detector sees pictures before it is asked: those that will be due, as far as one can tell beforehand.

Offline all pictures are there. The tracker asks for the first, every `detect_every` frames, and otherwise only when
something happens (a scene cut, an id that is open). So the pictures of that rhythm are given to the detector, in a
thread of its own, as soon as they are read. What it finds is the same as if it had been asked then; what nobody asks
for is thrown away, and what was not foreseen is found when it is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from affect_perception.types import Detection, Frame

Detect = Callable[[Frame], list[Detection]]


class DetectorPrefetch:
    """`read` is told of each frame when it is there, in order; `detections` and `passed` when the tracker is there.

    `every` is the rhythm in frames. Two threads may use it, one that reads and one that tracks. An error of `detect` is
    raised by `detections`, of the picture that it is about.
    """

    def __init__(self, detect: Detect, every: int):
        self._detect, self._every = detect, every
        self._pool = ThreadPoolExecutor(1, thread_name_prefix='foresight')  # detectors are not for two threads
        self._lock = threading.Lock()
        self._early: dict[int, Future] = {}  # by number of the frame
        self._read = self._tracked = self._asked = 0  # frames read, frames tracked, the last one asked for
        self.foreseen = self.asked = 0

    def read(self, frame: Frame) -> None:
        """The next frame has been read; it may be given to the detector."""
        with self._lock:
            if (self._read - self._asked) % self._every == 0:
                self._early[self._read] = self._pool.submit(self._detect, frame)
            self._read += 1

    def detections(self, frame: Frame) -> list[Detection]:
        """The faces of the next frame to track, found already or now."""
        with self._lock:
            early = self._early.pop(self._tracked, None)
            self._asked, self.asked = self._tracked, self.asked + 1
            self.foreseen += early is not None
            for number in [n for n in self._early if early is None and (n - self._asked) % self._every]:
                self._early.pop(number).cancel()  # of the old rhythm
        return (early or self._pool.submit(self._detect, frame)).result()

    def passed(self) -> None:
        """The tracker has done with a frame, whether it asked or not."""
        with self._lock:
            unasked = self._early.pop(self._tracked, None)
            self._tracked += 1
        if unasked is not None:
            unasked.cancel()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
