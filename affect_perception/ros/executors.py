"""How every executable starts and ends: errors of the user are one line and exit status 2, Ctrl-C is a clean end."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from affect_perception.errors import AffectPerceptionError


class Spinner:
    """Spins nodes, each with an executor and a thread of its own, so that none waits for another's callbacks.

    (One multi-threaded executor would share a single wait set among all of them, which rclpy does slowly.)
    """

    def __init__(self, nodes: Sequence[Node]):
        self._nodes = nodes
        self._executors = [SingleThreadedExecutor() for _ in nodes]
        self._closing = threading.Event()
        self._threads = []
        for node, executor in zip(nodes, self._executors, strict=True):
            executor.add_node(node)
            thread = threading.Thread(target=self._spin, args=(executor,), name=f'spin {node.get_name()}', daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        self._closing.set()
        for executor in self._executors:
            executor.shutdown(timeout_sec=2.0)
        for thread in self._threads:
            thread.join(timeout=2.0)

    def _spin(self, executor: SingleThreadedExecutor) -> None:
        while True:
            try:
                return executor.spin()
            except ExternalShutdownException:
                return None
            except Exception as error:  # one callback that fails must not silence its node
                if self._closing.is_set():  # rclpy takes the executor from under a callback that still runs
                    return None
                if type(error).__name__ == 'InvalidHandle':  # what called has just been destroyed: a node deactivates
                    self._closing.wait(0.01)
                    continue
                get_logger('affect_perception').error(f'{type(error).__name__} in a callback: {error}')


@contextmanager
def stop_on_signals():
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C ends at once."""
    stop = threading.Event()

    def handle(number, _):
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_nodes(make: Callable[[], Sequence[Node]], args: Sequence[str] | None = None) -> None:
    """The `main` of an executable: makes the nodes, spins until a signal or until all are `finished`, closes all.

    Exits with status 2 and one line when `make` raises an error that the user can mend. rclpy's own signal handlers
    stay out: they end the context at once, under the feet of threads that are publishing.
    """
    nodes: Sequence[Node] = ()
    spinner = None
    with stop_on_signals() as stop:
        try:
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
            nodes = make()
            spinner = Spinner(nodes)
            while not stop.wait(0.2) and not all(getattr(node, 'finished', False) for node in nodes):
                pass
        except KeyboardInterrupt:
            pass
        except AffectPerceptionError as error:
            print(f'affect_perception: {error}', file=sys.stderr)
            sys.exit(2)
        finally:
            for node in nodes:
                node.close()
            if spinner is not None:
                spinner.close()
            for node in nodes:
                node.destroy_node()
            rclpy.try_shutdown()
