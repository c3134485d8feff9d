"""Playback time of the frames of a recording whose stamps may begin anywhere and jump."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from affect_perception.core.sound import AudioFeatures, SoundBlock

_LARGEST_GAP_S = 10.0  # a longer gap is a jump, or a break that playback skips
_JUMPS = 1000  # that are remembered; a slowed playback makes one per image, and sound is at most seconds behind


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

    def delay(self, ns: int) -> int:
        """Move the present frame and all later ones by `ns`; returns the playback time of the present one."""
        self._now_ns += ns
        return self._now_ns


class Playback:
    """Time of a recording that is played, shared by its images and its sound; safe to use from several threads.

    The images `begin` it and tell their `progress`; the sound waits for both. In a lossless replay the images wait for
    the sound, too (`wait_for_sound`), so that each image has the same sound before it in every run.
    """

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._moved = threading.Condition()
        self._first_ns = self._start_ns = self._progress_ns = 0
        self._laps = [0]  # added to the times of the medium, for each pass over a looped one
        self._jumps: list[tuple[int, int, int]] = []  # recorded before, recorded after, shift from then on
        self._sound_ns: float | None = None  # recorded time up to which sound was published, infinite at its end
        self.speed = 1.0
        self.lossless = False

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
        self._start_ns, self.speed, self.lossless = start_ns, rate or 1.0, rate == 0
        self._begun.set()

    def progress(self, recorded_ns: int, since_start_ns: int, lap_ns: int = 0) -> None:
        """A frame of that recorded stamp is due at that playback time, in the pass that adds `lap_ns` to its times."""
        with self._moved:
            shift_ns = since_start_ns - (recorded_ns - self._first_ns)
            if shift_ns != (self._jumps[-1][2] if self._jumps else 0):
                self._jumps = [*self._jumps[-_JUMPS:], (self._progress_ns, recorded_ns, shift_ns)]
            self._progress_ns = recorded_ns
            if lap_ns != self._laps[-1]:
                self._laps.append(lap_ns)
                if self._sound_ns is not None:
                    self._sound_ns = -math.inf  # of this pass none was published yet
            self._moved.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until the images begin; whether they did within that time."""
        return self._begun.wait(seconds)

    def published_ns(self, recorded_ns: int) -> int:
        """Stamp with which an item of a recorded stamp is published."""
        shift_ns = next((shift for _, after, shift in reversed(self._jumps) if after <= recorded_ns), 0)
        return self._start_ns + round((recorded_ns - self._first_ns + shift_ns) / self.speed)

    def is_skipped(self, recorded_ns: int) -> bool:
        """Whether the images jumped over a recorded time."""
        far_ns = _LARGEST_GAP_S * 1e9
        return any(before < recorded_ns < after for before, after, _ in self._jumps if after - before > far_ns)

    def wait_for(self, recorded_ns: int, ahead_s: float, now_ns: Callable[[], int], stop: threading.Event) -> None:
        """Wait until an item of that recorded stamp is due; in a lossless replay until the images are near it."""
        if self._start_ns < 0:
            self._first_ns, self._start_ns = 0, now_ns()
        if not self.lossless:
            early_s = (self.published_ns(recorded_ns) - now_ns()) * 1e-9
            if early_s > 0:
                stop.wait(early_s)
            return
        with self._moved:
            while recorded_ns > self._progress_ns + ahead_s * 1e9 and not stop.is_set():
                self._moved.wait(0.2)

    def lap_ns(self, lap: int, stop: threading.Event) -> int:
        """Wait until the images are in pass number `lap`, from 0 on; the time that it adds to those of the medium."""
        with self._moved:
            while len(self._laps) <= lap and not stop.is_set():
                self._moved.wait(0.2)
            return self._laps[min(lap, len(self._laps) - 1)]

    def is_over(self, lap: int, recorded_ns: int) -> bool:
        """Whether a recorded time is in a later pass than `lap`, as far as the images have come."""
        return len(self._laps) > lap + 1 and recorded_ns - self._first_ns >= self._laps[lap + 1]

    def passes(
        self, sound: Iterable[SoundBlock | AudioFeatures], loop: bool, stop: threading.Event, same_clock: bool = True
    ) -> Iterator[SoundBlock | AudioFeatures]:
        """Sound of a recording in each pass of its images, without that of times which the images jump over.

        Without `same_clock` the sound begins with the first image.
        """
        for lap in itertools.count():
            lap_ns = self.lap_ns(lap, stop)
            offset_ns = 0 if same_clock else None
            for part in sound:
                if offset_ns is None:
                    offset_ns = self._first_ns - part.stamp_ns
                shifted = part.shifted(lap_ns + offset_ns)
                if self.is_over(lap, shifted.stamp_ns):
                    break
                if not self.is_skipped(shifted.stamp_ns):
                    yield shifted
            self.sound_over(lap)
            if not loop or stop.is_set():
                return

    def expect_sound(self, expected: bool = True) -> None:
        """The images of a lossless replay wait for sound from now on, or no longer."""
        with self._moved:
            self._sound_ns = -math.inf if expected else None
            self._moved.notify_all()

    def sound_progress(self, recorded_ns: int) -> None:
        """Sound up to a recorded time was published."""
        with self._moved:
            if self._sound_ns is not None:
                self._sound_ns = recorded_ns
            self._moved.notify_all()

    def sound_over(self, lap: int) -> None:
        """There is no further sound in a pass."""
        with self._moved:
            if self._sound_ns is not None and len(self._laps) == lap + 1:
                self._sound_ns = math.inf
            self._moved.notify_all()

    def wait_for_sound(self, recorded_ns: int, limit_s: float, stop: threading.Event) -> bool:
        """Wait until sound up to a recorded time was published; false if it was not within the limit."""
        deadline = time.monotonic() + limit_s
        with self._moved:
            while self._sound_ns is not None and self._sound_ns < recorded_ns and not stop.is_set():
                if time.monotonic() > deadline:
                    return False
                self._moved.wait(0.2)
        return True
