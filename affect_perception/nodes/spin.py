"""How every executable starts and ends: errors of the user are one line and exit status 2, Ctrl-C is a clean end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node

from affect_perception.errors import AffectPerceptionError


class Spinner:
    """Spins nodes, each with an executor and a thread of its own, so that none waits for another's callbacks.

    (One multi-threaded executor would share a single wait set among all of them, which rclpy does slowly.)
    """

    def __init__(self, nodes: Sequence[Node]):
        self._nodes = nodes
        self._executors = [SingleThreadedExecutor() for _ in nodes]
        self._threads = []
        for node, executor in zip(nodes, self._executors, strict=True):
            executor.add_node(node)
            thread = threading.Thread(target=_spin, args=(executor,), name=f'spin {node.get_name()}', daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        for executor in self._executors:
            executor.shutdown(timeout_sec=2.0)
        for thread in self._threads:
            thread.join(timeout=2.0)


def _spin(executor: SingleThreadedExecutor) -> None:
    while True:
        try:
            return executor.spin()
        except ExternalShutdownException:
            return None
        except Exception as error:  # one callback that fails must not silence its node
            get_logger('affect_perception').error(f'{type(error).__name__} in a callback: {error}')


def run_nodes(make: Callable[[], Sequence[Node]], args: Sequence[str] | None = None) -> None:
    """The `main` of an executable: makes the nodes, spins until Ctrl-C or until a node asks to end, closes all.

    Exits with status 2 and one line when `make` raises an error that the user can mend.
    """
    nodes: Sequence[Node] = ()
    spinner = None
    try:
        rclpy.init(args=args)
        nodes = make()
        spinner = Spinner(nodes)
        while rclpy.ok() and not all(getattr(node, 'finished', False) for node in nodes):
            threading.Event().wait(0.2)
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
