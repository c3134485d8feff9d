"""Progress of a process from which an answer is awaited: hung, stopped and starved ones are told from busy ones.

A plain time-out would not do: a child at idle priority on a busy machine legitimately takes many seconds for one image.
Times are counted in checks, so that a pause of the whole machine is none of these.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from affect_perception.runtime.processes.framing import CHECK_S, Link

HUNG_S = 7.0  # without any progress
STOPPED_S = 0.75  # stopped by a signal
LONGEST_S = 300.0  # dlib's own CNN needs a minute for a large image enlarged once
PING = 'ping'
TICKS_PER_S = os.sysconf('SC_CLK_TCK') if hasattr(os, 'sysconf') else 100
_BLIND_S = 60.0  # on systems without /proc, where progress cannot be seen
LEAST_SHARE = 0.2  # of a core, below which a process that wants to run is starved


class NoProgress(Exception):
    """The process is hung or stopped; the text says for how long."""


class Starved(NoProgress):
    """The process wants to run and gets next to no CPU time; the text says for how long."""


class Progress(NamedTuple):
    """State of a process: CPU time used so far in clock ticks, whether a thread runs or waits for a core or a disk,
    and whether all threads are stopped by a signal."""

    ticks: int
    runnable: bool
    stopped: bool = False


def progress(pid: int) -> Progress | None:
    """State of process `pid`; None where it cannot be read."""
    ticks, states = 0, set()
    try:
        for task in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{task}/stat', 'rb', buffering=0) as stat:
                fields = stat.read().rpartition(b')')[2].split()
            ticks += int(fields[11]) + int(fields[12])
            states.add(fields[0])
    except (OSError, IndexError, ValueError):  # no /proc, or a thread that has just ended
        return None
    return Progress(ticks, bool(states & {b'R', b'D'}), states == {b'T'})


def is_alive(pid: int) -> bool:
    """Whether process `pid` exists and has not ended (a zombie has)."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] not in 'ZX'
    except (OSError, IndexError):
        return False


def give_up() -> None:
    """Raise NoProgress: what to call while waiting for nothing."""
    raise NoProgress('takes no messages')


class Watch:
    """Call every CHECK_S while waiting for process `pid`; raises NoProgress when the process is hung or stopped.

    Hung: no CPU time and no runnable thread for `hung_s`, or no answer for LONGEST_S whatever the process does. With
    `ping`, silence is legitimate: that link is asked for an answer when the process first shows no progress. With
    `starved_s`, raises Starved for a process that was runnable for so long with less than `least_share` of a core.
    """

    def __init__(
        self,
        pid: int,
        ping: Link | None = None,
        starved_s: float = 0.0,
        hung_s: float = HUNG_S,
        least_share: float = LEAST_SHARE,
    ) -> None:
        self._pid, self._ping, self._hung_s = pid, ping, hung_s
        self._starved_s, self._least_share = starved_s, least_share
        self._used: int | None = None
        self._first_used = 0  # at the first check of those in which the process was always runnable
        self._checks = self._idle_checks = self._stopped_checks = self._runnable_checks = 0

    def __call__(self) -> None:
        """Check the process once."""
        found = progress(self._pid)
        used, runnable, stopped = found or Progress(0, runnable=False)
        self._checks += 1
        moved = runnable or used != self._used
        self._used, self._idle_checks = used, 0 if moved else self._idle_checks + 1
        self._stopped_checks = self._stopped_checks + 1 if stopped else 0
        if self._idle_checks == 1 and self._ping is not None:
            self._ping.send(PING, waiting=give_up, lock_timeout_s=0)
        self._check_share(used, runnable)
        if self._stopped_checks * CHECK_S >= STOPPED_S:
            raise NoProgress('was stopped by a signal')
        limit_s = self._hung_s if found is not None else _BLIND_S
        if self._idle_checks * CHECK_S >= limit_s:
            raise NoProgress(f'made no progress for {limit_s:.0f} s')
        if self._ping is None and self._checks * CHECK_S >= LONGEST_S:
            raise NoProgress(f'gave no answer for {LONGEST_S:.0f} s')

    def _check_share(self, used: int, runnable: bool) -> None:
        if not self._runnable_checks:
            self._first_used = used
        self._runnable_checks = self._runnable_checks + 1 if runnable else 0
        seconds = (self._runnable_checks - 1) * CHECK_S
        if self._starved_s and seconds >= self._starved_s:
            if used - self._first_used < self._least_share * seconds * TICKS_PER_S:
                raise Starved(f'got next to no CPU time for {seconds:.1f} s, as all cores are full')
            self._runnable_checks = 0
