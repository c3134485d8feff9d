"""CPU scheduling classes for child processes, so that the processes that answer images get a core first.

All functions act on the threads of the calling process and those it starts afterwards, and cannot be undone without
privileges.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_LOWEST_NICE = 19
_SHARE_NICE = 5  # a third of the weight of a process at nice 0


def use_idle_cores_only() -> None:
    """Run only while no other process wants the core (SCHED_IDLE on Linux, nice 19 elsewhere): for the detector.

    Detector results may be late; the tracker bridges the gap with optical flow.
    """
    if not hasattr(os, 'SCHED_IDLE'):
        return _lower(_LOWEST_NICE)
    for thread in _threads():
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
    return None


def use_share_of_cores() -> None:
    """Run at nice 5: for the detector on a machine whose cores stay full, where the idle class gets nothing at all.

    Against one busy process per core that is a quarter of a core, enough for a detection every 2 s.
    """
    _lower(_SHARE_NICE)


def _threads() -> list[int]:
    """Ids of the threads of this process; [0], the calling one, where the system does not tell."""
    try:
        return [int(task.name) for task in Path('/proc/self/task').iterdir()]
    except OSError:
        return [0]


def use_batch_priority() -> None:
    """Run at nice 19 without preempting others (SCHED_BATCH on Linux): for the viewers.

    Not SCHED_IDLE: with all cores busy the viewers would get no CPU time for seconds, and the page would freeze. At
    nice 10 instead of 19 the slowest results came a fifth later.
    """
    if hasattr(os, 'SCHED_BATCH'):
        for thread in _threads():
            with contextlib.suppress(OSError):
                os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
    _lower(_LOWEST_NICE)


def _lower(nice: int) -> None:
    if not hasattr(os, 'setpriority'):
        return
    for thread in _threads():
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, or is as low already
            os.setpriority(os.PRIO_PROCESS, thread, nice)
