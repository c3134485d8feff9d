"""Playback time of the frames of a recording whose stamps may begin anywhere and jump."""

from __future__ import annotations

import threading
from collections.abc import Callable

_LARGEST_GAP_S = 10.0  # a longer gap is a jump, or a break that playback skips


class PlaybackClock:
    """Convert recorded stamps to time since the start; steps back, or of more than 10 s, become one frame period."""

    def __init__(self, fps: float) -> None:
        self._period_ns = round(1e9 / fps)
        self._last_ns: int | None = None
        self._now_ns = 0

    def since_start(self, stamp_ns: int) -> int:
        """Playback time of the next frame in ns, 0 for the first one."""
        step_ns = stamp_ns - self._last_ns if self._last_ns is not None else 0
        if not 0 <= step_ns <= _LARGEST_GAP_S * 1e9:
            step_ns = self._period_ns
        self._last_ns = stamp_ns
        self._now_ns += step_ns
        return self._now_ns


class Playback:
    """Time of a recording that is played, shared by its images and its sound; safe to use from several threads.

    The images `begin` it and tell their `progress`; the sound waits for both.
    """

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._moved = threading.Condition()
        self._first_ns = self._start_ns = self._progress_ns = 0
        self.speed = 1.0
        self._lossless = False

    @classmethod
    def immediate(cls) -> Playback:
        """Playback of a recording that has no images here: begins with the first use."""
        playback = cls()
        playback._start_ns = -1
        playback._begun.set()
        return playback

    def begin(self, first_ns: int, start_ns: int, rate: float) -> None:
        """The frame of recorded stamp `first_ns` is published with stamp `start_ns`; `rate` 0: without loss."""
        self._first_ns = self._progress_ns = first_ns
        self._start_ns, self.speed, self._lossless = start_ns, rate or 1.0, rate == 0
        self._begun.set()

    def progress(self, recorded_ns: int) -> None:
        """A frame of that recorded stamp was published."""
        with self._moved:
            self._progress_ns = recorded_ns
            self._moved.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until the images begin; whether they did within that time."""
        return self._begun.wait(seconds)

    def published_ns(self, recorded_ns: int) -> int:
        """Stamp with which an item of a recorded stamp is published."""
        return self._start_ns + round((recorded_ns - self._first_ns) / self.speed)

    def wait_for(self, recorded_ns: int, ahead_s: float, now_ns: Callable[[], int], stop: threading.Event) -> None:
        """Wait until an item of that recorded stamp is due; in a lossless replay until the images are near it."""
        if self._start_ns < 0:
            self._first_ns, self._start_ns = 0, now_ns()
        if not self._lossless:
            early_s = (self.published_ns(recorded_ns) - now_ns()) * 1e-9
            if early_s > 0:
                stop.wait(early_s)
            return
        with self._moved:
            while recorded_ns > self._progress_ns + ahead_s * 1e9 and not stop.is_set():
                self._moved.wait(0.2)
