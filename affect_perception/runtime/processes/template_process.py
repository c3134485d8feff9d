"""Child process whose start is slow: it is loaded once and kept as a template; each start after that is a fork of it.

A fork is ready within 50 ms, and shares the memory of the template as long as neither writes to it: the detector costs
50 MB more than alone. The template itself does nothing but wait, at normal priority. Linux only, and only for what may
be forked: no other threads of ours, no GPU.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Any

from affect_perception.runtime.processes.child_process import ChildProcess, Run
from affect_perception.runtime.processes.child_watch import NoProgress, Watch
from affect_perception.runtime.processes.forked_child import ForkedChild, fork
from affect_perception.runtime.processes.framing import Link, Message

_HUNG_S = 2.0  # without progress, of a template that is asked to fork
_FORK, _REAP = 'fork', 'reap'


class TemplateProcess(ChildProcess):
    """A ChildProcess that can start again as a copy: `start`, wait until it has loaded, then `fork` as often as needed.

    The module calls `forked_link(link)` once it has loaded. After the first `fork` the loaded process is the template,
    and messages go to the copy. `start` ends the template and begins anew.
    """

    _template: _Template | None = None

    def start(self) -> None:
        """Start a new child from scratch, after killing the former one and the template."""
        self._drop_template()
        super().start()

    def fork(self) -> bool:
        """Start a copy of the loaded child, after killing the former copy; False if there is none that can be copied.

        RuntimeError once `close` was called.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError(f'{self.name} has been closed')
            if self._template is None and (self._run is None or self._run.child.poll() is not None):
                return False
            if self._template is None:
                self._template, self._run = _Template(self._run), None  # type: ignore[arg-type]  # checked above
            self.kill()
            try:
                self._run = self._template.fork()
            except (OSError, EOFError, NoProgress):
                self._drop_template()
                return False
        return True

    def close(self, farewell: str = '', timeout_s: float = 0.0) -> None:
        """End child and template for good, as `ChildProcess.close` does."""
        super().close(farewell, timeout_s)
        self._drop_template()

    def _drop_template(self) -> None:
        template, self._template = self._template, None
        if template is not None:
            template.run.kill()


class _Template:
    """A loaded process that forks on request."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.left: list[int] = []  # pids of killed copies that had not ended when they were given up
        self._lock = threading.Lock()  # one question at a time

    def fork(self) -> Run:
        """Start a copy. OSError, EOFError or NoProgress if the template does not answer."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                left, self.left = self.left, []
                pid = self._ask(_FORK, theirs.fileno(), left=left).fields['pid']
            except BaseException:
                ours.close()
                raise
        return Run(ForkedChild(pid, self.reap, self.left.append), Link(ours))

    def reap(self, pid: int) -> int:
        """Exit status of a copy that has ended; -9 where the template has ended, too."""
        try:
            return int(self._ask(_REAP, pid=pid).fields['status'])
        except (OSError, EOFError, NoProgress):
            return -signal.SIGKILL

    def _ask(self, kind: str, descriptor: int | None = None, **fields: Any) -> Message:
        watch = Watch(self.run.child.pid, hung_s=_HUNG_S)
        with self._lock:
            self.run.link.send(kind, waiting=watch, **fields)
            if descriptor is not None:
                self.run.link.send_descriptor(descriptor)
            return self.run.link.receive(watch)


def forked_link(link: Link) -> Link:
    """Wait in a loaded child for the first message to serve; in each fork, return the link of that fork.

    The template never returns: it forks on request, and ends with its parent (EOFError). A child that is not used as a
    template goes on with `link` itself, by calling `link.receive` in place of this.
    """
    left: set[int] = set()  # killed forks that nobody waits for
    while True:
        message = link.receive()
        left -= {pid for pid in left if os.waitpid(pid, os.WNOHANG)[0]}
        if message.kind == _REAP:
            _, status = os.waitpid(message.fields['pid'], 0)
            link.send('reaped', status=os.waitstatus_to_exitcode(status))
        elif message.kind == _FORK:
            end = socket.socket(fileno=link.receive_descriptor())
            left |= set(message.fields['left'])
            pid = fork()
            if not pid:
                link.release()
                return Link(end)
            end.close()
            link.send('forked', pid=pid)
        else:
            raise EOFError(f'a template got a message {message.kind!r}')
