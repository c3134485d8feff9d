"""CPU scheduling classes for child processes, so that the processes that answer images get a core first.

All functions act on the threads of the calling process and those it starts afterwards, and cannot be undone without
privileges.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LOWEST_NICE = 19


def use_idle_cores_only() -> None:
    """Run only while no other process wants the core (SCHED_IDLE on Linux, nice 19 elsewhere): for the detector.

    Detector results may be late; the tracker bridges the gap with optical flow.
    """
    if not hasattr(os, 'SCHED_IDLE'):
        return _lower(LOWEST_NICE)
    for thread in _threads():
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
    return None


def use_share_of_cores(nice: int) -> None:
    """Run at `nice`: for the detector on a machine whose cores stay full, where the idle class gets nothing at all."""
    _lower(nice)


def lower_process(pid: int, nice: int) -> None:
    """Give all threads of process `pid` the priority `nice`; no effect where they have that or a lower one."""
    for thread in _threads(str(pid)):
        _set_nice(thread, nice)


def _threads(pid: str = 'self') -> list[int]:
    """Ids of the threads of a process; [0], the calling one, where the system does not tell those of this process."""
    try:
        return [int(task.name) for task in Path(f'/proc/{pid}/task').iterdir()]
    except OSError:
        return [0] if pid == 'self' else []


def use_batch_priority() -> None:
    """Run at nice 19 without preempting others (SCHED_BATCH on Linux): for the viewers.

    Not SCHED_IDLE: with all cores busy the viewers would get no CPU time for seconds, and the page would freeze. At
    nice 10 instead of 19 the slowest results came a fifth later.
    """
    if hasattr(os, 'SCHED_BATCH'):
        for thread in _threads():
            with contextlib.suppress(OSError):
                os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
    _lower(LOWEST_NICE)


def _lower(nice: int) -> None:
    if not hasattr(os, 'setpriority'):
        return
    for thread in _threads():
        _set_nice(thread, nice)


def _set_nice(thread: int, nice: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, or is as low already
        if os.getpriority(os.PRIO_PROCESS, thread) < nice:  # with privileges it could be raised
            os.setpriority(os.PRIO_PROCESS, thread, nice)
