"""Playback time of the frames of a recording whose stamps may begin anywhere and jump."""

from __future__ import annotations

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
