"""Start and end of every executable: one line and exit status 2 for errors of the user, a clean end on Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node

from affect_perception.errors import AffectPerceptionError, ConfigError
from affect_perception.ros.health.callbacks import report_error
from affect_perception.ros.startup.start import USER_ERRORS, in_one_line, init_ros

_PAUSE_S = 0.01
_AGAIN_S = 1.0  # a signal this soon after the first is the same one: Ctrl-C also comes through ros2 launch

GraphNode = Any  # an rclpy Node with `close()`, as all nodes of this package have it


class Spinner:
    """Executor threads: spins each node in a thread of its own, so that none waits for another's callbacks.

    (One multi-threaded executor would share a single wait set among all nodes, which rclpy does slowly.)
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._executors = [SingleThreadedExecutor() for _ in nodes]
        self._closing = threading.Event()
        self._threads = []
        for node, executor in zip(nodes, self._executors, strict=True):
            executor.add_node(node)
            thread = threading.Thread(
                target=self._spin, args=(executor, node), name=f'spin {node.get_name()}', daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Stop spinning; waits up to 2 s for each thread."""
        self._closing.set()
        for executor in self._executors:
            executor.shutdown(timeout_sec=2.0)
        for thread in self._threads:
            thread.join(timeout=2.0)

    def _spin(self, executor: SingleThreadedExecutor, node: Node) -> None:
        said: set[str] = set()
        while not self._closing.is_set():
            try:
                return executor.spin()
            except ExternalShutdownException:
                return None
            except Exception as error:  # noqa: BLE001 - thread border: a failing callback must not end its node
                if self._closing.is_set():  # rclpy destroys the executor under a callback that still runs
                    return None
                self._closing.wait(_PAUSE_S)  # an error that lasts must not take a core
                if type(error).__name__ == 'InvalidHandle':  # the caller was destroyed meanwhile: a node deactivates
                    continue
                if getattr(node, 'diagnostics', None) is not None:
                    report_error(node, error)
                elif type(error).__name__ not in said:
                    said.add(type(error).__name__)
                    get_logger('affect_perception').error(f'{type(error).__name__} in a callback: {error}')


class StopEvent(threading.Event):
    """Event that a signal sets. While `starting` is true a signal raises KeyboardInterrupt instead."""

    def __init__(self) -> None:
        super().__init__()
        self.starting = False


@contextmanager
def stop_on_signals(starting: bool = False) -> Iterator[StopEvent]:
    """Event that SIGINT (Ctrl-C) and SIGTERM set; a second signal, a second later or more, raises KeyboardInterrupt.

    `starting`: the first one raises it as well, until the caller sets `starting` of the event to False: there is
    nothing yet to end in order, and a start takes seconds.
    """
    stop = StopEvent()
    stop.starting = starting
    first_s = 0.0

    def handle(_number: int, _frame: object) -> None:
        nonlocal first_s
        if first_s and time.monotonic() - first_s < _AGAIN_S:
            return
        first_s = first_s or time.monotonic()
        if stop.starting or stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_nodes(
    make: Callable[[], Sequence[GraphNode]], args: Sequence[str] | None = None, nodes: Sequence[str] = ()
) -> None:
    """Run an executable: make the nodes, spin until a signal or until all are `finished`, close them.

    `args` are the arguments of the process, without them those of sys.argv; `nodes` are the names of the nodes that it
    may make. Exits with status 2 and one line on stderr when `make` raises an AffectPerceptionError, and for
    arguments and names that rclpy refuses; with 130 at a signal during the start.
    """
    made: Sequence[GraphNode] = ()
    spinner = None
    with stop_on_signals(starting=True) as stop:
        try:
            init_ros(sys.argv if args is None else args, nodes)
            made = _made(make)
            spinner = Spinner(made)
            stop.starting = False
            while not stop.wait(0.2) and not all(getattr(node, 'finished', False) for node in made):
                pass
        except KeyboardInterrupt:
            if stop.starting:
                sys.exit(130)
        except AffectPerceptionError as error:
            sys.stderr.write(f'affect_perception: {error}\n')
            sys.exit(2)
        finally:
            for node in made:
                node.close()
            if spinner is not None:
                spinner.close()
            for node in made:
                node.destroy_node()
            rclpy.try_shutdown()


def _made(make: Callable[[], Sequence[GraphNode]]) -> Sequence[GraphNode]:
    """Result of `make`; ConfigError for a name or parameter that rclpy refuses."""
    try:
        return make()
    except USER_ERRORS as error:
        raise ConfigError(in_one_line(error)) from error
