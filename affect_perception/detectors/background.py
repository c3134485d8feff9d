"""A detector that runs beside the tracker: ask when it is free, collect what it found some frames later.

It takes what the others leave: where cores are few, its thread has a lower priority than those that answer each image.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from affect_perception.core.reid import Wish
from affect_perception.core.tracker import Found
from affect_perception.detectors.finder import Finder
from affect_perception.types import Frame

_NICE = 15  # of 19; a seventh of the share of time that a thread of usual priority gets when both want the same core


class BackgroundDetector:
    """One picture at a time in a thread of its own. `ask` never waits; `collect` never waits unless told to."""

    def __init__(self, finder: Finder, on_done: Callable[[float], None] = lambda seconds: None):
        self._finder = finder
        self._on_done = on_done  # gets the seconds that each run took
        self._pool = ThreadPoolExecutor(1, thread_name_prefix='detector', initializer=_step_back)
        self._running: Future[Found] | None = None

    @property
    def free(self) -> bool:
        return self._running is None

    def ask(self, frame: Frame, wish: Wish) -> None:
        """Starts on `frame`, with the tracker's wish for it; only when `free`."""
        self._running = self._pool.submit(self._find, frame, wish)

    def _find(self, frame: Frame, wish: Wish) -> Found:
        start = time.perf_counter()
        found = self._finder.find(frame, wish)
        self._on_done(time.perf_counter() - start)
        return found

    def collect(self, wait: bool = False) -> Found | None:
        """What was found since the last call, or None; an error of the detector is raised here."""
        if self._running is None or not (wait or self._running.done()):
            return None
        running, self._running = self._running, None
        return running.result()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _step_back() -> None:
    """Lowers the priority of this thread; only Linux knows one of a single thread."""
    if sys.platform == 'linux':
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
