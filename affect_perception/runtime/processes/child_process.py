"""Child process that runs one of our modules: start, framed messages, detection of a hang, kill, restart.

Used for the detector and for the viewers. What is a hang while an answer is awaited: `child_watch.py`.
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
from typing import Any, Protocol

import numpy as np

from affect_perception.runtime.interrupts import interrupts_blocked, leave_interrupts
from affect_perception.runtime.processes.child_watch import (
    HUNG_S,
    LEAST_SHARE,
    PING,
    NoProgress,
    Starved,
    Watch,
    give_up,
)
from affect_perception.runtime.processes.framing import CHECK_S, Link, Message

_EARLY_S = 10.0  # a child that ends this soon after its start would do so again
_END_S = 0.5  # for which the end of a killed child is waited for
_PONG = 'pong'


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
    `starved_s`, if not 0: time after which a child that wants to run and gets less than `least_share` of a core is
    killed as starved (ChildStarved); where there is no /proc, none is. `hung_s`: time without progress after which it
    is killed.
    """

    def __init__(self, name: str, module: str, arguments: Sequence[str] = ()) -> None:
        self.name = name
        self.starved_s, self.least_share, self.hung_s = 0.0, LEAST_SHARE, HUNG_S
        self._module, self._arguments = module, list(arguments)
        self._lock = threading.Lock()  # of starting and closing
        self._run: Run | None = None
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
            self._run = _started_early(self._module) or Run.of_module(self._module, self._arguments)

    def send(self, kind: str, *arrays: np.ndarray, **fields: Any) -> None:
        """Send one message. ChildEnded, ChildHung or ChildStarved if the child does not take it."""
        run = self._current()
        with self._ending(run):
            run.link.send(kind, *arrays, waiting=self._watch(run), **fields)

    def receive(self, ping: bool = False) -> Message:
        """Return the child's next message. ChildEnded, ChildHung or ChildStarved if there will be none.

        `ping`: silence is legitimate; a silent child is asked whether it is alive, and only then expected to answer.
        """
        run = self._current()
        while True:
            with self._ending(run):
                message = _received(run.link, self._watch(run, ping))
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
            with contextlib.suppress(OSError, EOFError, NoProgress, subprocess.TimeoutExpired):
                if self._run.link.send(farewell, waiting=give_up, lock_timeout_s=CHECK_S):
                    self._run.child.wait(timeout_s)
        self.kill()

    def _watch(self, run: Run, ping: bool = False) -> Watch:
        return Watch(run.child.pid, run.link if ping else None, self.starved_s, self.hung_s, self.least_share)

    def _current(self) -> Run:
        if self._run is None:
            raise ChildEnded(f'{self.name} has not been started')
        return self._run

    @contextlib.contextmanager
    def _ending(self, run: Run) -> Iterator[None]:
        """Turn errors of the link into ChildEnded or ChildHung, and kill the child that they are about."""
        try:
            yield
        except Starved as error:
            run.kill(wait_s=0.0)
            raise ChildStarved(f'{self.name} {error}') from None
        except NoProgress as error:
            run.kill()
            raise ChildHung(f'{self.name} {error} and was killed') from None
        except (EOFError, OSError) as error:
            raise ChildEnded(f'{self.name} ended (status {run.kill()})') from error


_runs: weakref.WeakSet[Run] = weakref.WeakSet()
_early: dict[str, Run] = {}  # by module: started, and used by no ChildProcess yet


def start_early(module: str, *arguments: str) -> None:
    """Start a child of `module` now, which the next `ChildProcess.start` of that module takes over.

    So that the child loads while this process still imports what it needs itself. `arguments` tell the child what it
    will be used for.
    """
    if module not in _early:
        _early[module] = Run.of_module(module, arguments)


def hand_over(module: str, run: Run) -> bool:
    """Let the next `ChildProcess.start` of `module` take `run`; False, and the end of `run`, where it has one."""
    if module in _early:
        run.kill()
        return False
    _early[module] = run
    return True


def is_started_early(module: str) -> bool:
    """Whether a child of `module` waits for the next `ChildProcess.start`."""
    return module in _early


def release_links() -> None:
    """Release the parent's links in a fork of it, so that each child sees its parent's end; forget its children."""
    for run in list(_runs):
        run.link.release()
    _runs.clear()
    _early.clear()


def _started_early(module: str) -> Run | None:
    run = _early.pop(module, None)
    if run is None or run.child.poll() is None:
        return run
    run.kill()
    return None


@atexit.register
def _kill_all() -> None:
    """Kill what is left when this process exits, a stopped child as well: that one does not see its parent's end."""
    for run in list(_runs):
        run.kill()


class Child(Protocol):
    """Part of `subprocess.Popen` that is used of a child."""

    @property
    def pid(self) -> int:
        """Process id."""
        ...

    def poll(self) -> int | None:
        """Exit status; None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status; subprocess.TimeoutExpired after `timeout`."""
        ...

    def kill(self) -> None:
        """Send SIGKILL."""
        ...


class Run:
    """One start of a child: process, link, time."""

    def __init__(self, child: Child, link: Link) -> None:
        self.child, self.link, self.started_s = child, link, time.monotonic()
        _runs.add(self)

    @classmethod
    def of_module(cls, module: str, arguments: Sequence[str]) -> Run:
        """Start `python -m module FD *arguments`."""
        ours, theirs = socket.socketpair()
        folders = [folder for folder in sys.path if folder]  # a policy of the user may be anywhere on it
        with interrupts_blocked():
            child = subprocess.Popen(
                [sys.executable, '-m', module, str(theirs.fileno()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a library prints must not mix with the output of this process
                pass_fds=[theirs.fileno()],
                env={**os.environ, 'PYTHONPATH': os.pathsep.join(folders)},
            )
        theirs.close()
        return cls(child, Link(ours))

    def kill(self, wait_s: float = _END_S) -> int:
        """End the child and the link; returns the exit status.

        A killed child at idle priority needs a core to end, which it may not get for long: it is waited for `wait_s`.
        """
        self.child.kill()
        try:
            status = self.child.wait(wait_s)
        except subprocess.TimeoutExpired:
            status = -signal.SIGKILL
        self.link.close()
        return status


def _received(link: Link, waiting: Watch) -> Message:
    """Receive a message; EOFError for bytes that are none, after which the link is out of step."""
    try:
        return link.receive(waiting)
    except (ValueError, KeyError, TypeError, MemoryError) as error:
        raise EOFError(f'no message: {error}') from error


def child_link() -> Link:
    """Return the child's end of the link, to be called first in the child's `main`.

    Ctrl-C and SIGTERM go to a whole process group and are left to the parent, which ends its children in order.
    """
    leave_interrupts()
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
    if message.kind == PING:
        link.send(_PONG)
    return message.kind == PING
