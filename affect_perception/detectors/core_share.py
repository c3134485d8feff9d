"""Share of full cores for the detector: the least with which a detection comes every 2 s, from the time it takes."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator

from affect_perception.runtime.processes.child_watch import LEAST_SHARE, TICKS_PER_S, progress
from affect_perception.runtime.processes.priority import LOWEST_NICE

_AIM_S, _LATE_S = 1.3, 1.7  # of a detection with a share: aimed at, and from which the share is raised
_CALM_S, _MOST_CALM_S = 10.0, 600.0  # at a share of the cores, before the idle class is tried again; doubles each time
_WHOLE_CORE = 0.7  # CPU time per time at work from which no other process wanted the core


class CoreShare:
    """CPU time that a detector gets while it works, to tell which share it needs, and when an idle one would do."""

    def __init__(self) -> None:
        self._calm_s = _CALM_S / 2
        self._cpu_s = self._took_s = 0.0  # of the last detection: CPU time, and time
        self.begin()

    def begin(self) -> None:
        """Leave the idle class; each time the period before `is_calm` doubles, so that priorities do not alternate."""
        self._calm_s = min(2 * self._calm_s, _MOST_CALM_S)
        self.take_most()

    def take_most(self) -> None:
        """Start with the largest share, as a detection that is late already needs it."""
        self.nice = 0
        self._reset()

    def _reset(self) -> None:
        self._since_s, self._work_s, self._ticks = time.monotonic(), 0.0, 0

    @contextlib.contextmanager
    def at_work(self, pid: int) -> Iterator[None]:
        """Measure process `pid` during the block."""
        before, start_s = progress(pid), time.monotonic()
        yield
        after = progress(pid)
        if before is not None and after is not None:
            self._took_s, self._cpu_s = time.monotonic() - start_s, (after.ticks - before.ticks) / TICKS_PER_S
            self._work_s += self._took_s
            self._ticks += after.ticks - before.ticks

    @property
    def least(self) -> float:
        """Share of a core below which a detection is late."""
        return min(max(self._cpu_s / _LATE_S, LEAST_SHARE), _WHOLE_CORE)

    def adapt(self) -> bool:
        """Set `nice` to what the last detection tells; returns whether it is a higher priority, as that one was late.

        A process of weight w gets w / (w + those of the others that want its core), a nice level is a factor of 1.25.
        """
        share = self._cpu_s / max(self._took_s, 1e-3)
        wanted = min(self._cpu_s / _AIM_S, 0.9)
        if not 0 < share < _WHOLE_CORE:
            return False
        more = wanted / (1 - wanted) * (1 - share) / share  # than the present weight
        levels = math.log(more, 1.25)
        if levels > 0:
            if self._took_s < _LATE_S or not self.nice:
                return False
            self.nice = max(self.nice - math.ceil(levels), 0)
            return True
        self.nice = min(self.nice - math.ceil(levels / 2), LOWEST_NICE)  # half of it, as the load changes
        return False

    @property
    def is_calm(self) -> bool:
        """Whether the process has had a whole core while it worked, over the last period; at the end of each period."""
        if time.monotonic() - self._since_s < self._calm_s:
            return False
        calm = self._work_s > 0 and self._ticks / TICKS_PER_S > _WHOLE_CORE * self._work_s
        self._reset()
        return calm
