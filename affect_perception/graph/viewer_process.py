"""agent, markers, hri and dashboard in a process of their own, beside those that make the results.

In one process they take turns with tracker and network for the one interpreter, and the turns are what costs: with a
page and RViz, a third of a core, results came three times as late. Here they have an interpreter to themselves and a
lower priority (watch_child.py). They hear the same topics as before. Only the tracker's images, of which the default
transport loses most between processes, come through a socket between the two, small and to nobody else: when a result
is there and an overlay is due, the overlay asks for the image of that stamp. Then the network rests, and nothing is
sent that will not be drawn.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection

import numpy as np
from rclpy.logging import get_logger

from affect_perception.core.display.overlay import shrunk
from affect_perception.errors import ConfigError
from affect_perception.runtime.newest_item import SlotWorker
from affect_perception.types import Frame

_START_S = 60.0  # for the nodes to be made, on a slow machine
_ANSWER_S = 2.0
_END_S = 5.0
_KEPT = 6  # images in which a result may be drawn: as many as are under way at once
_KEEPING_S = 1.0  # for which they are kept after the last picture was asked for
_SOON_S = 10.0  # a child that dies that soon would die again


class ViewerProcess:
    """`make` asks for nodes, `wait` says how that went. `arguments` are those of rclpy.init, for the child's.

    A child that dies is said and started again, with the same nodes at the same address; one that dies within
    `_SOON_S` is not, and the graph goes on without. It ends with `close`, or with the process that started it.
    """

    def __init__(self, arguments: Sequence[str] = ()):
        self._arguments = list(arguments)
        self._nodes: dict[str, dict] = {}  # what was asked for: overrides by node
        self._sending = threading.Lock()
        self._news = threading.Condition()  # of what follows
        self._answers: dict[str, Exception | None] = {}  # how it went, by node
        self._counted: int | None = None
        self._status: int | None = None  # of the child, once it has ended for good
        self._waiting = self._closing = False
        self._frames: deque[Frame] = deque(maxlen=_KEPT)  # the last ones, while pictures are asked for
        self._asked_s = -_KEEPING_S
        self.address: str | None = None  # of the dashboard
        self._start()
        self._pictures = SlotWorker('pictures', self._send_picture)
        self._listener = threading.Thread(target=self._listen, name='watchers', daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def make(self, node: str, overrides: dict | None = None) -> None:
        """Asks for a node and returns at once."""
        self._nodes[node] = dict(overrides or {})
        self._waiting = True
        self._tell('make', node, self._nodes[node])

    def wait(self) -> None:
        """Until all nodes asked for are there. ConfigError for one that was refused, or if the child ends."""
        with self._news:
            self._news.wait_for(self._settled, _START_S)
            answers, self._waiting = dict(self._answers), False
        for refusal in filter(None, answers.values()):
            raise refusal
        if set(answers) != set(self._nodes):
            why = 'did not answer' if self._status is None else f'ended (status {self._status}); see above'
            raise ConfigError(f'the process of {", ".join(self._nodes)} {why}; --watch-beside thread does without it')

    def _settled(self) -> bool:
        return self._status is not None or any(self._answers.values()) or set(self._answers) == set(self._nodes)

    def show(self, frame: Frame) -> None:
        """An image that has been followed; the overlay may ask for it when its result is there. Returns at once."""
        if time.monotonic() - self._asked_s < _KEEPING_S:
            self._frames.append(frame)
        else:
            self._frames.clear()

    def bad_inputs(self) -> int:
        """What the nodes have counted since the child began; 0 if it does not answer."""
        with self._news:
            self._counted = None
        self._tell('count')
        with self._news:
            self._news.wait_for(lambda: self._counted is not None or self._status is not None, _ANSWER_S)
            return self._counted or 0

    def close(self) -> None:
        """Ends the child, kindly at first; there is no other after it."""
        self._closing = True
        self._tell('end')
        try:
            self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
        self._listener.join(_END_S)
        self._pictures.close()
        self._link.close()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        path = os.pathsep.join(folder for folder in sys.path if folder)  # a policy of the user may be anywhere on it
        self._child = subprocess.Popen(
            [sys.executable, '-m', 'affect_perception.graph.viewer_child', str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**os.environ, 'PYTHONPATH': path},
        )
        theirs.close()
        self._link, self._started_s = Connection(ours.detach()), time.monotonic()
        self._tell('init', self._arguments)

    def _tell(self, *what) -> None:
        """Nothing, when the child has ended or does not read: the listener and those who wait find out."""
        if self._sending.acquire(timeout=_ANSWER_S):
            try:
                self._link.send(what)
            except OSError:
                pass
            finally:
                self._sending.release()

    def _send_picture(self, wanted: tuple[int, int]) -> None:
        stamp_ns, width = wanted
        frame = next((frame for frame in list(self._frames) if frame.stamp_ns == stamp_ns), None)
        if frame is None:
            return
        rgb = np.ascontiguousarray(shrunk(frame.rgb, width))
        with self._sending:
            try:
                self._link.send(('picture', frame.stamp_ns, frame.frame_id, frame.width, rgb.shape))
                self._link.send_bytes(rgb.data.cast('B'))
            except OSError:
                pass

    def _listen(self) -> None:
        while True:
            try:
                kind, *said = self._link.recv()
            except (EOFError, OSError):
                if not self._again():
                    return
                continue
            if kind == 'wanted':
                self._asked_s = time.monotonic()
                self._pictures.slot.put(said)
            else:
                self._hear(kind, said)

    def _hear(self, kind: str, said: list) -> None:
        with self._news:
            if kind == 'counted':
                self._counted = said[0]
            else:
                node, refusal, page = said
                self._answers[node] = refusal
                if page is not None:  # of the dashboard, which is to be at the same place after a restart
                    self.address, port = page
                    self._nodes[node] |= {'dashboard_port': port, 'dashboard_port_tries': 1}
                if refusal is not None and not self._waiting:
                    get_logger('affect_perception').error(f'{node} was not made again: {refusal}')
            self._news.notify_all()

    def _again(self) -> bool:
        """The child has ended: says so, and starts another one where that may help."""
        status = self._child.wait()
        died = f'the process of {", ".join(self._nodes)} ended (status {status})'
        soon = self._waiting or time.monotonic() - self._started_s < _SOON_S
        if soon or self._closing:
            with self._news:
                self._status = status
                self._news.notify_all()
            if not self._waiting and not self._closing:
                get_logger('affect_perception').error(f'{died} again; the graph goes on without')
            return False
        get_logger('affect_perception').error(f'{died}; it is started again')
        with self._sending:
            self._link.close()
        self._start()
        for node, overrides in self._nodes.items():
            self._tell('make', node, overrides)
        return True
