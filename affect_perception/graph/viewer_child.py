"""Main program of the viewer process: creates the nodes that `ViewerProcess` requests, and spins them.

Once its nodes are made, the child yields to the processes that make the results, by a lower priority
(runtime/processes/priority.py).
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from importlib import import_module
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions

from affect_perception.errors import AffectPerceptionError
from affect_perception.ros.executors import Spinner
from affect_perception.ros.health.log_bridge import log_to_ros
from affect_perception.ros.startup.transports import use_large_buffers
from affect_perception.runtime.failures import FailureLog, described
from affect_perception.runtime.processes.child_process import answers_ping, child_link
from affect_perception.runtime.processes.framing import Link, Message
from affect_perception.runtime.processes.priority import use_batch_priority
from affect_perception.types import Frame

_CLOSE_S = 10.0  # for which all nodes may take to close
_CLASSES = {  # each imported when it is requested: the dashboard's needs aiohttp
    'agent_node': 'AgentNode',
    'hri_node': 'HriNode',
    'dashboard_node': 'DashboardNode',
    'marker_node': 'MarkerNode',
}


class ViewerNodes:
    """The viewer nodes, driven by messages on `link`: `serve` until the parent says `end` or is gone."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._nodes: dict[str, Any] = {}
        self._spinners: list[Spinner] = []
        self._failures = FailureLog('viewer process')

    def serve(self) -> None:
        """Answer the parent's messages, then close all nodes."""
        try:
            while True:
                message = self._link.receive()
                if message.kind == 'end':
                    return
                if not answers_ping(self._link, message):
                    self._handle(message)
        except (EOFError, OSError):
            return
        finally:
            self._close()

    def _handle(self, message: Message) -> None:
        try:
            getattr(self, f'_{message.kind}')(*message.arrays, **message.fields)
        except Exception as error:  # noqa: BLE001 - loop border: counted and logged, the next message is handled
            self._failures(error)

    def _init(self, arguments: list[str]) -> None:
        use_large_buffers()  # of a process that was started before its parent had chosen
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)

    def _make(self, node: str, overrides: dict[str, Any]) -> None:
        more = {'ask': self._request_picture} if node == 'marker_node' else {}
        try:
            kind = getattr(import_module(f'affect_perception.nodes.{node}'), _CLASSES[node])
            made = self._nodes[node] = kind(overrides, **more)
        except AffectPerceptionError as error:
            return self._send('made', node=node, refusal=str(error), page=None)
        except Exception as error:  # noqa: BLE001 - process border: the parent waits for an answer
            return self._send('made', node=node, refusal=f'{node} cannot be made: {described(error)}', page=None)
        self._spinners.append(Spinner([made]))
        page = (made.address, made.port) if node == 'dashboard_node' else None
        self._send('made', node=node, refusal='', page=page)

    def _made_all(self) -> None:
        use_batch_priority()

    def _request_picture(self, stamp_ns: int, width: int) -> None:
        self._send('wanted', stamp_ns=stamp_ns, width=width)

    def _picture(self, rgb: Any, stamp_ns: int, frame_id: str, width: int) -> None:
        if 'marker_node' in self._nodes:
            self._nodes['marker_node'].take(Frame(stamp_ns, frame_id, rgb), width)

    def _count(self) -> None:
        self._send('counted', count=sum(sum(node.diagnostics.bad_inputs.values()) for node in self._nodes.values()))

    def _send(self, kind: str, **fields: Any) -> None:
        with contextlib.suppress(OSError, EOFError):  # the parent is gone, which `serve` notices
            self._link.send(kind, **fields)

    def _close(self) -> None:
        """Close all nodes; the process ends without them where that does not end, as nobody would stop it."""
        limit = threading.Timer(_CLOSE_S, os._exit, (1,))
        limit.daemon = True
        limit.start()
        for node in self._nodes.values():
            node.close()
        for spinner in self._spinners:
            spinner.close()
        for node in self._nodes.values():
            node.destroy_node()
        rclpy.try_shutdown()
        limit.cancel()


def main() -> None:
    """Run as `python -m affect_perception.graph.viewer_child FD [NODE ...]` by `ViewerProcess`.

    With names of nodes it is started early, for these: they are imported before they are requested.
    """
    link = child_link()
    log_to_ros()
    for name in sys.argv[2:]:
        with contextlib.suppress(ImportError):  # told when the node is requested
            import_module(f'affect_perception.nodes.{name}')
    ViewerNodes(link).serve()


if __name__ == '__main__':
    main()
