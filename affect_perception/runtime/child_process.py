"""Child process that runs one of our modules: start, framed messages, detection of a hang, kill, restart.

Used for the detector and for the viewers. A child is hung when, while an answer is awaited, it uses no CPU time and has
no runnable thread for HUNG_S (stopped by a signal, deadlocked), or gives no answer for LONGEST_S whatever it does. A
plain time-out would not do: a child at idle priority on a busy machine legitimately takes many seconds for one image.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from affect_perception.runtime.framing import CHECK_S, Link, Message

HUNG_S = 7.0  # without any progress; counted in checks, so that a pause of the whole machine is no hang
LONGEST_S = 300.0  # dlib's own CNN needs a minute for a large image enlarged once
_BLIND_S = 60.0  # on systems without /proc, where progress cannot be seen
_EARLY_S = 10.0  # a child that ends this soon after its start would do so again
_LEAST_SHARE = 0.2  # of a core, below which a process that wants to run is starved
_TICKS_PER_S = os.sysconf('SC_CLK_TCK') if hasattr(os, 'sysconf') else 100
_PING, _PONG = 'ping', 'pong'


class ChildEnded(RuntimeError):
    """The child ended before it answered; the text names child and exit status."""


class ChildHung(ChildEnded):
    """The child made no progress and has been killed."""


class ChildStarved(ChildEnded):
    """The child wanted to run and got next to no CPU time; it has been killed."""


class ChildProcess:
    """Run `python -m module FD *arguments` as a child, FD being its end of the link; its stdout goes to stderr.

    `name` is the subject of error texts. Restart policy: `start` may be called again after an end; the owner decides,
    with `ended_early` as the hint that another start would not help. The child ends with this process (`child_link`).
    `starved_s`, if not 0: time after which a child that wants to run and gets less than a fifth of a core is killed as
    starved (ChildStarved); where there is no /proc, none is.
    """

    def __init__(self, name: str, module: str, arguments: Sequence[str] = ()) -> None:
        self.name = name
        self.starved_s = 0.0
        self._module, self._arguments = module, list(arguments)
        self._lock = threading.Lock()  # of starting and closing
        self._run: _Run | None = None
        self._closed = False

    @property
    def pid(self) -> int:
        """Process id of the last child; 0 before the first start."""
        return self._run.child.pid if self._run is not None else 0

    @property
    def running(self) -> bool:
        """Whether the child has been started and has not ended."""
        return self._run is not None and self._run.child.poll() is None

    @property
    def status(self) -> int | None:
        """Exit status of the last child, negative for a signal; None while it runs."""
        return None if self._run is None else self._run.child.poll()

    @property
    def ended_early(self) -> bool:
        """Whether the last child was started less than ten seconds ago."""
        return self._run is not None and time.monotonic() - self._run.started_s < _EARLY_S

    def start(self) -> None:
        """Start a new child, after killing the former one. RuntimeError once `close` was called."""
        with self._lock:
            if self._closed:
                raise RuntimeError(f'{self.name} has been closed')
            self.kill()
            self._run = _Run(self._module, self._arguments)

    def send(self, kind: str, *arrays: np.ndarray, **fields: Any) -> None:
        """Send one message. ChildEnded, ChildHung or ChildStarved if the child does not take it."""
        run = self._current()
        with self._ending(run):
            run.link.send(kind, *arrays, waiting=_Watch(run.child.pid, starved_s=self.starved_s), **fields)

    def receive(self, ping: bool = False) -> Message:
        """Return the child's next message. ChildEnded, ChildHung or ChildStarved if there will be none.

        `ping`: silence is legitimate; a silent child is asked whether it is alive, and only then expected to answer.
        """
        run = self._current()
        while True:
            with self._ending(run):
                message = _received(run.link, _Watch(run.child.pid, run.link if ping else None, self.starved_s))
            if message.kind != _PONG:
                return message

    def kill(self) -> None:
        """End the child whatever it does, also while it is stopped (SIGKILL). No effect without a child."""
        if self._run is not None:
            self._run.kill()

    def close(self, farewell: str = '', timeout_s: float = 0.0) -> None:
        """End the child for good: send `farewell`, wait at most `timeout_s` for it to end by itself, then kill."""
        with self._lock:
            self._closed = True
        if farewell and self._run is not None:
            # An error: the child has ended already, or does not read.
            with contextlib.suppress(OSError, EOFError, _NoProgress, subprocess.TimeoutExpired):
                if self._run.link.send(farewell, waiting=_give_up, lock_timeout_s=CHECK_S):
                    self._run.child.wait(timeout_s)
        self.kill()

    def _current(self) -> _Run:
        if self._run is None:
            raise ChildEnded(f'{self.name} has not been started')
        return self._run

    @contextlib.contextmanager
    def _ending(self, run: _Run) -> Iterator[None]:
        """Turn errors of the link into ChildEnded or ChildHung, and kill the child that they are about."""
        try:
            yield
        except _Starved as error:
            run.kill()
            raise ChildStarved(f'{self.name} {error}') from None
        except _NoProgress as error:
            run.kill()
            raise ChildHung(f'{self.name} {error} and was killed') from None
        except (EOFError, OSError) as error:
            raise ChildEnded(f'{self.name} ended (status {run.kill()})') from error


_runs: weakref.WeakSet[_Run] = weakref.WeakSet()


@atexit.register
def _kill_all() -> None:
    """Kill what is left when this process exits, a stopped child as well: that one does not see its parent's end."""
    for run in list(_runs):
        run.kill()


class _Run:
    """One start of the child: process, link, time."""

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        folders = [folder for folder in sys.path if folder]  # a policy of the user may be anywhere on it
        self.child = subprocess.Popen(
            [sys.executable, '-m', module, str(theirs.fileno()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=2,  # what a library prints must not mix with the output of this process
            pass_fds=[theirs.fileno()],
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(folders)},
        )
        theirs.close()
        _runs.add(self)
        self.link, self.started_s = Link(ours), time.monotonic()

    def kill(self) -> int:
        """End the child and the link; returns the exit status."""
        self.child.kill()
        status = self.child.wait()
        self.link.close()
        return status


def _received(link: Link, waiting: _Watch) -> Message:
    """Receive a message; EOFError for bytes that are none, after which the link is out of step."""
    try:
        return link.receive(waiting)
    except (ValueError, KeyError, TypeError, MemoryError) as error:
        raise EOFError(f'no message: {error}') from error


class _NoProgress(Exception):
    """The text says for how long."""


class _Starved(_NoProgress):
    """The text says for how long."""


class _Watch:
    """Call every CHECK_S while waiting for process `pid`; raises _NoProgress when the process is hung.

    With `ping`, silence is legitimate: that link is asked for an answer when the process first shows no progress.
    With `starved_s`, raises _Starved for a process that was runnable for so long almost without a core.
    """

    def __init__(self, pid: int, ping: Link | None = None, starved_s: float = 0.0) -> None:
        self._pid, self._ping, self._starved_s = pid, ping, starved_s
        self._used: int | None = None
        self._first_used = 0  # at the first check of those in which the process was always runnable
        self._checks = self._idle_checks = self._runnable_checks = 0

    def __call__(self) -> None:
        progress = _progress(self._pid)
        used, runnable = progress or (0, False)
        self._checks += 1
        moved = runnable or used != self._used
        self._used, self._idle_checks = used, 0 if moved else self._idle_checks + 1
        if self._idle_checks == 1 and self._ping is not None:
            self._ping.send(_PING, waiting=_give_up, lock_timeout_s=0)
        self._check_share(used, runnable)
        limit_s = HUNG_S if progress is not None else _BLIND_S
        if self._idle_checks * CHECK_S >= limit_s:
            raise _NoProgress(f'made no progress for {limit_s:.0f} s')
        if self._ping is None and self._checks * CHECK_S >= LONGEST_S:
            raise _NoProgress(f'gave no answer for {LONGEST_S:.0f} s')

    def _check_share(self, used: int, runnable: bool) -> None:
        if not self._runnable_checks:
            self._first_used = used
        self._runnable_checks = self._runnable_checks + 1 if runnable else 0
        seconds = (self._runnable_checks - 1) * CHECK_S
        if self._starved_s and seconds >= self._starved_s:
            if used - self._first_used < _LEAST_SHARE * seconds * _TICKS_PER_S:
                raise _Starved(f'got no CPU time for {seconds:.0f} s, as all cores are full')
            self._runnable_checks = 0


def _progress(pid: int) -> tuple[int, bool] | None:
    """CPU time used so far (clock ticks), whether a thread is runnable or waiting for a disk; None: unknown."""
    ticks, runnable = 0, False
    try:
        for task in Path(f'/proc/{pid}/task').iterdir():
            fields = (task / 'stat').read_text().rpartition(')')[2].split()
            ticks += int(fields[11]) + int(fields[12])
            runnable |= fields[0] in 'RD'
    except (OSError, IndexError, ValueError):  # no /proc, or a thread that has just ended
        return None
    return ticks, runnable


def _give_up() -> None:
    raise _NoProgress('takes no messages')


def child_link() -> Link:
    """Return the child's end of the link, to be called first in the child's `main`.

    Ctrl-C and SIGTERM go to a whole process group and are left to the parent, which ends its children in order.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return Link(socket.socket(fileno=int(sys.argv[1])))


def end_with_parent(link: Link) -> None:
    """End this child at once when its parent is gone, also in the middle of an image (a thread waits for that)."""
    poll = select.poll()
    poll.register(link.fileno(), 0)  # hang-up only

    def wait() -> None:
        poll.poll()
        os._exit(1)

    threading.Thread(target=wait, name='end with parent', daemon=True).start()


def answers_ping(link: Link, message: Message) -> bool:
    """Answer `message` if it is a ping of the parent's `receive(ping=True)`; whether it was one."""
    if message.kind == _PING:
        link.send(_PONG)
    return message.kind == _PING
