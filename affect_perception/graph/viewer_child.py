"""The process of agent, markers, hri and dashboard: makes the nodes that `ViewerProcess` asks for, and spins them.

It yields to those who make the results: a lower priority, and no core is taken away from them in the middle of their
work (SCHED_BATCH). Not SCHED_IDLE: with full cores it would see nothing for seconds, and nobody would see why.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from affect_perception.errors import AffectPerceptionError
from affect_perception.ros.executors import Spinner
from affect_perception.types import Frame

_NICE = 19  # at 10 the slowest results came a fifth later
_CLASSES = {  # each imported when it is wanted: the dashboard's need aiohttp
    'agent_node': 'AgentNode',
    'hri_node': 'HriNode',
    'dashboard_node': 'DashboardNode',
    'marker_node': 'MarkerNode',
}


class ViewerNodes:
    """The nodes, and the link to the process that makes results. `serve` until that ends it, or is gone."""

    def __init__(self, link: Connection):
        self._link, self._sending = link, threading.Lock()
        self._nodes: dict[str, Node] = {}
        self._spinners: list[Spinner] = []

    def serve(self) -> None:
        try:
            while True:
                kind, *said = self._link.recv()
                if kind == 'end':
                    return
                getattr(self, f'_{kind}')(*said)
        except (EOFError, OSError):
            return
        finally:
            self._close()

    def _init(self, arguments: list[str]) -> None:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)

    def _make(self, name: str, overrides: dict) -> None:
        more = {'ask': partial(self._send, 'wanted')} if name == 'marker_node' else {}
        try:
            kind = getattr(import_module(f'affect_perception.nodes.{name}'), _CLASSES[name])
            node = self._nodes[name] = kind(overrides, **more)
        except AffectPerceptionError as error:
            return self._send('made', name, error, None)
        self._spinners.append(Spinner([node]))
        self._send('made', name, None, (node.address, node.port) if name == 'dashboard_node' else None)

    def _picture(self, stamp_ns: int, frame_id: str, width: int, shape: tuple[int, int, int]) -> None:
        rgb = np.frombuffer(self._link.recv_bytes(), np.uint8).reshape(shape)
        if 'marker_node' in self._nodes:
            self._nodes['marker_node'].take(Frame(stamp_ns, frame_id, rgb), width)

    def _count(self) -> None:
        self._send('counted', sum(sum(node.diagnostics.bad_inputs.values()) for node in self._nodes.values()))

    def _send(self, *what) -> None:
        with self._sending, contextlib.suppress(OSError):  # the other one is gone, which `serve` sees
            self._link.send(what)

    def _close(self) -> None:
        for node in self._nodes.values():
            node.close()
        for spinner in self._spinners:
            spinner.close()
        for node in self._nodes.values():
            node.destroy_node()
        rclpy.try_shutdown()


def _step_back() -> None:
    with contextlib.suppress(AttributeError, OSError):  # elsewhere than on Linux
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.nice(_NICE)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # they go to all of a group; the other one ends us in its time
        signal.signal(number, signal.SIG_IGN)
    _step_back()
    ViewerNodes(Connection(int(sys.argv[1]))).serve()


if __name__ == '__main__':
    main()
