"""agent, markers, hri and dashboard (the viewers) in a child process, beside the process that makes the results.

In one process the viewers take turns with tracker and network for the one interpreter, and the turns are what costs:
with a page and RViz, a third of a core, results came three times as late. In a child the viewers have an interpreter to
themselves and a lower priority (viewer_child.py). They subscribe to the same topics as before. Only the tracker's
images, of which the default transport loses most between processes, come through the link between the two, small and
to nobody else: when a result is there and an overlay is due, the overlay requests the image of that stamp. At that time
the network rests, and nothing is sent that will not be drawn. A JPEG preview topic, which the viewers would subscribe
to like any other, costs 3.3 + 2.7 ms of CPU time per image (tracker + viewers) instead of 2.1 + 0.5 ms through the link
(benchmarks/overlay_paths.py).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.logging import get_logger

from affect_perception.core.display.overlay import scaled_down
from affect_perception.core.stamp_buffer import StampBuffer
from affect_perception.errors import ConfigError
from affect_perception.runtime.failures import FailureLog, described
from affect_perception.runtime.newest_item import SlotWorker
from affect_perception.runtime.processes.child_process import ChildEnded, ChildProcess, start_early
from affect_perception.runtime.processes.framing import Message
from affect_perception.settings import GraphSettings
from affect_perception.types import Frame

_CHILD = 'affect_perception.graph.viewer_child'
_START_S = 60.0  # for the nodes to be made, on a slow machine
_ANSWER_S = 2.0
_END_S = 3.0
_FRAMES = 6  # buffered images in which a result may be drawn: as many as are under way at once
_BUFFERING_S = 1.0  # for which images are buffered after the last request


class ViewerProcess:
    """Create viewer nodes in a child process: `make` requests a node, `wait` waits for all requested nodes.

    `arguments` are passed to rclpy.init in the child. A child that ends or hangs is logged and restarted with the same
    nodes at the same address; one that ends within ten seconds of its start is not, and the graph goes on without
    viewers. The child ends with `close`, or with this process.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.on_end: Callable[[str], object] = _ignore  # called with a text at each unexpected end of the child
        self._arguments = list(arguments)
        self._nodes: dict[str, dict[str, Any]] = {}  # requested nodes: overrides by node name
        self._changed = threading.Condition()  # of the next four
        self._answers: dict[str, ConfigError | None] = {}  # by node name: the refusal, None if the node is there
        self._counted: int | None = None
        self._ended: ChildEnded | None = None  # set when the child has ended for good
        self._waiting = self._closing = False
        self._frames = StampBuffer[Frame](_FRAMES)
        self._requested_s = -_BUFFERING_S
        self.address: str | None = None  # of the dashboard
        self.restarts = 0  # of the child, after it had ended or hung
        self._failures = FailureLog('messages of the viewer process')
        self._child = ChildProcess('the viewer process', _CHILD)
        self._start()
        self._pictures = SlotWorker('pictures', self._send_picture)
        self._listener = threading.Thread(target=self._listen, name='viewers', daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether there is a child now."""
        return self._child.running

    @property
    def started_lately(self) -> bool:
        """Whether the child is so young that its end would be taken for one that comes again."""
        return self._child.ended_early

    def make(self, node: str, overrides: dict[str, Any] | None = None) -> None:
        """Request a node by name, with its overrides of settings. Non-blocking."""
        self._nodes[node] = dict(overrides or {})
        self._child.name = f'the process of {", ".join(self._nodes)}'
        self._waiting = True
        self._send('make', node=node, overrides=self._nodes[node])

    def wait(self) -> None:
        """Block until all requested nodes are there. ConfigError if one is refused or the child ends."""
        with self._changed:
            self._changed.wait_for(self._settled, _START_S)
            answers, self._waiting = dict(self._answers), False
        self._send('made_all')
        for refusal in filter(None, answers.values()):
            raise refusal
        if set(answers) != set(self._nodes):
            what = f'{self._ended}; see above' if self._ended is not None else f'{self._child.name} did not answer'
            raise ConfigError(f'{what}; --viewer-process thread does without it')

    def _settled(self) -> bool:
        return self._ended is not None or any(self._answers.values()) or set(self._answers) == set(self._nodes)

    def show(self, frame: Frame) -> None:
        """Buffer a tracked frame for the overlay to request later. Non-blocking."""
        if time.monotonic() - self._requested_s < _BUFFERING_S:
            self._frames.put(frame.stamp_ns, frame)
        else:
            self._frames.clear()

    def bad_inputs(self) -> int:
        """Bad inputs that the nodes have counted since the child's start; 0 if the child does not answer."""
        with self._changed:
            self._counted = None
        self._send('count')
        with self._changed:
            self._changed.wait_for(lambda: self._counted is not None or self._ended is not None, _ANSWER_S)
            return self._counted or 0

    def close(self, at_once: bool = False) -> None:
        """End the child for good: ask it to end, and kill it after three seconds (`at_once`: now)."""
        self._closing = True
        self._child.close('' if at_once else 'end', _END_S)
        self._listener.join(_END_S)
        self._pictures.close()

    def _start(self) -> None:
        self._child.start()
        self._send('init', arguments=self._arguments)

    def _send(self, kind: str, **fields: Any) -> None:
        with contextlib.suppress(ChildEnded):  # the listener finds out, and tells whoever waits
            self._child.send(kind, **fields)

    def _send_picture(self, request: tuple[int, int]) -> None:
        stamp_ns, width = request
        frame = self._frames.find(stamp_ns)
        if frame is None:
            return
        rgb = scaled_down(frame.rgb, width)
        with contextlib.suppress(ChildEnded):
            self._child.send('picture', rgb, stamp_ns=stamp_ns, frame_id=frame.frame_id, width=frame.width)

    def _listen(self) -> None:
        while True:
            try:
                self._take(self._child.receive(ping=True))
            except ChildEnded as error:
                if not self._restart(error):
                    return
            except Exception as error:  # noqa: BLE001 - thread border: counted and logged, the next message is taken
                self._failures(error)

    def _take(self, message: Message) -> None:
        if message.kind == 'wanted':
            self._requested_s = time.monotonic()
            self._pictures.slot.put((message.fields['stamp_ns'], message.fields['width']))
            return
        with self._changed:
            if message.kind == 'counted':
                self._counted = message.fields['count']
            else:
                self._take_answer(**message.fields)
            self._changed.notify_all()

    def _take_answer(self, node: str, refusal: str, page: tuple[str, int] | None) -> None:
        self._answers[node] = ConfigError(refusal) if refusal else None
        if page is not None:  # of the dashboard, which is to be at the same place after a restart
            self.address, port = page
            self._nodes[node] |= {'dashboard_port': port, 'dashboard_port_tries': 1}
        if refusal and not self._waiting:
            get_logger('affect_perception').error(f'{node} could not be restarted: {refusal}')

    def _restart(self, error: ChildEnded) -> bool:
        """Log the end of the child, and start another one unless that would not help; whether one was started."""
        if not self._closing and not self._waiting:
            self.on_end(str(error))
        if self._closing or self._waiting or self._child.ended_early:
            with self._changed:
                self._ended = error
                self._changed.notify_all()
            if not self._waiting and not self._closing:
                get_logger('affect_perception').error(f'{error} again; the graph goes on without')
            return False
        get_logger('affect_perception').error(f'{error}; it is started again')
        self.restarts += 1
        try:
            self._start()
        except Exception as failure:  # noqa: BLE001 - thread border: without memory for a process the graph goes on
            with self._changed:
                self._ended = ChildEnded(f'{error}, and no other can be started ({described(failure)})')
                self._changed.notify_all()
            if not self._closing:
                get_logger('affect_perception').error(f'{self._ended}; the graph goes on without')
            return False
        for node, overrides in self._nodes.items():
            self._send('make', node=node, overrides=overrides)
        self._send('made_all')
        return True


def start_viewers_early(parts: GraphSettings) -> None:
    """Start the process of a `ViewerProcess` to come, which imports the viewers that `parts` may mean."""
    wanted = {
        'agent_node': parts.agent,
        'marker_node': parts.markers,
        'hri_node': parts.hri,
        'dashboard_node': parts.dashboard,
    }
    names = [name for name, runs in wanted.items() if runs]
    if names and parts.viewer_process != 'thread' and os.name == 'posix':
        start_early(_CHILD, *names)


def _ignore(_: str) -> None:
    """Default of `on_end`."""
