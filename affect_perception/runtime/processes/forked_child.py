"""Forks of a process that has loaded what its child needs: no second import, and its memory is shared until written to.

Linux only, and only for what may be forked: no threads at work, no GPU, no ROS context.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable

from affect_perception.runtime.interrupts import leave_interrupts
from affect_perception.runtime.processes.child_process import Run, hand_over, release_links
from affect_perception.runtime.processes.child_watch import is_alive
from affect_perception.runtime.processes.framing import Link

CAN_FORK = sys.platform == 'linux'
_POLL_S = 0.005


class ForkedChild:
    """A fork: what `Run` needs of a `subprocess.Popen`.

    `reap` returns the exit status of a child that has ended, after which its pid is free; `leave` gets the pid of a
    killed child that had not ended when it was given up.
    """

    def __init__(self, pid: int, reap: Callable[[int], int], leave: Callable[[int], object]) -> None:
        self.pid, self._reap, self._leave = pid, reap, leave
        self._status: int | None = None
        self._killed = False
        self._reaping = threading.Lock()

    def poll(self) -> int | None:
        """Exit status; None while it runs."""
        with self._reaping:
            if self._status is None and not is_alive(self.pid):
                self._status = self._reap(self.pid)
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status.

        subprocess.TimeoutExpired after `timeout`: a killed child counts as ended then, and is left.
        """
        end_s = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end_s is not None and time.monotonic() > end_s:
                if self._killed:
                    self._status = -signal.SIGKILL
                    self._leave(self.pid)
                raise subprocess.TimeoutExpired(f'process {self.pid}', timeout or 0.0)
            time.sleep(_POLL_S)
        return status

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._status is None:
            self._killed = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def fork() -> int:
    """os.fork without the warning of Python 3.12 about threads: none of ours is at work."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)
        return os.fork()


def fork_early(module: str, main: Callable[[Link], None]) -> bool:
    """Fork a child that runs `main` with its end of the link, for the next `ChildProcess.start` of `module`.

    The child has what this process has imported; its stdin is empty and its stdout goes to stderr, and it ends with
    `main`. Returns False, without a child, where other threads of Python run.
    """
    if not CAN_FORK or threading.active_count() > 1:
        return False
    ours, theirs = socket.socketpair()
    sys.stdout.flush()  # what is left in the buffer would be written twice
    pid = fork()
    if not pid:
        ours.close()
        _run(main, theirs)
    theirs.close()
    return hand_over(module, Run(ForkedChild(pid, _reap, _ignore), Link(ours)))


def _run(main: Callable[[Link], None], end: socket.socket) -> None:
    """Run `main` in the child, and end it; nothing of the parent's is run at its exit."""
    status = 1
    try:
        leave_interrupts()
        release_links()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        main(Link(end))
        status = 0
    except BaseException:  # noqa: BLE001 - process border: told on stderr, as an interpreter does
        traceback.print_exc()
    finally:
        os._exit(status)


def _reap(pid: int) -> int:
    """Exit status of a child of this process that has ended; -9 where something else has taken it."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return -signal.SIGKILL


def _ignore(_: int) -> None:
    """Leave a child to the end of this process."""
