"""CPU scheduling classes for child processes, so that the processes that answer images get a core first.

Both functions act on the calling process and the threads it starts afterwards, and cannot be undone without privileges.
"""

from __future__ import annotations

import contextlib
import os

_LOWEST_NICE = 19


def use_idle_cores_only() -> None:
    """Run only while no other process wants the core (SCHED_IDLE on Linux, nice 19 elsewhere): for the detector.

    Detector results may be late; the tracker bridges the gap with optical flow.
    """
    if hasattr(os, 'SCHED_IDLE'):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        _lower()


def use_batch_priority() -> None:
    """Run at nice 19 without preempting others (SCHED_BATCH on Linux): for the viewers.

    Not SCHED_IDLE: with all cores busy the viewers would get no CPU time for seconds, and the page would freeze. At
    nice 10 instead of 19 the slowest results came a fifth later.
    """
    if hasattr(os, 'SCHED_BATCH'):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    _lower()


def _lower() -> None:
    if hasattr(os, 'nice'):
        os.nice(_LOWEST_NICE)
