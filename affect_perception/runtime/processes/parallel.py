"""Run a function on items in parallel, in processes of this machine or as tasks of a Ray cluster; results as they come.

Used by `prepare` (shards) and by `evaluate` (inputs of a batch). An item that fails does not stop the others.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, TypeVar

from affect_perception.errors import ConfigError
from affect_perception.runtime.failures import FailureLog

Item = TypeVar('Item')
Result = TypeVar('Result')
Run = Callable[[Item, Callable[[Any], None]], Result]  # gets an item and a function for reports of progress


class WorkerDied(str):
    """Result of an item whose process or Ray task ended without one: the reason, one line."""


def run_in_processes(
    run: Run[Item, Result],
    items: Sequence[Item],
    workers: int,
    report: Callable[[int, Any], None],
    start: Callable[[], None] | None = None,
) -> Iterator[tuple[int, Result | WorkerDied]]:
    """Run `run(item, report)` on every item in at most `workers` processes; yields (number of the item, result).

    `report` gets the number of an item and what its run reported, in a thread of this process. `run` and `start`,
    which each worker calls first, are functions of a module (they are pickled). If a worker dies (out of memory), the
    items left yield WorkerDied.
    """
    context = multiprocessing.get_context('spawn')  # forked threads of torch would hang
    messages = context.SimpleQueue()
    listener = threading.Thread(target=_forward, args=(messages, report), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(min(workers, len(items)), context, _start_worker, (messages, start))
    try:
        waiting = {pool.submit(_run_reporting, run, number, item): number for number, item in enumerate(items)}
        for future in as_completed(waiting):
            try:
                yield waiting[future], future.result()
            except BrokenProcessPool:
                text = 'a worker process died, perhaps out of memory; run again with fewer --jobs'
                yield waiting[future], WorkerDied(text)
    finally:
        pool.shutdown(cancel_futures=True)
        messages.put(None)
        listener.join()


def run_on_ray(
    run: Run[Item, Result], items: Sequence[Item], address: str
) -> Iterator[tuple[int, Result | WorkerDied]]:
    """Run every item as a Ray task with one core, without reports; yields (number of the item, result).

    Inputs and outputs must be on a shared disk. `address` is that of `ray.init`: auto, local, ray://HOST:10001 or
    HOST:6379. Raises ConfigError where Ray is not installed or no cluster is reached.
    """
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # else a cluster started here reports to its makers
    try:
        import ray
    except ImportError:
        raise ConfigError('--ray needs Ray: pip install affect-perception[ray]') from None
    try:
        ray.init(address=address, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        text = ' '.join(str(error).split())[:300]
        raise ConfigError(f'no Ray cluster at {address!r} ({text}); start one, or give --ray local') from None
    try:
        task = ray.remote(num_cpus=1)(_run_quietly)
        waiting = {task.remote(run, item): number for number, item in enumerate(items)}
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            try:
                result = ray.get(done)
            except ray.exceptions.RayError as error:
                result = WorkerDied(f'its Ray task failed: {" ".join(str(error).split())[:300]}')
            yield waiting.pop(done), result
    finally:
        ray.shutdown()


def _run_quietly(run: Run[Item, Result], item: Item) -> Result:
    return run(item, lambda _: None)


_messages: Any = None  # in a worker: queue of (number of the item, report)


def _start_worker(messages: Any, start: Callable[[], None] | None) -> None:
    global _messages
    _messages = messages
    if start is not None:
        start()
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit a worker whose parent was killed and can no longer shut it down."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def _run_reporting(run: Run[Item, Result], number: int, item: Item) -> Result:
    return run(item, lambda message: _messages.put((number, message)))


def _forward(messages: Any, report: Callable[[int, Any], None]) -> None:
    failures = FailureLog('progress of parallel work')
    while (message := messages.get()) is not None:
        try:
            report(*message)
        except Exception as error:  # noqa: BLE001 - thread border: workers wait for whoever takes their messages
            failures(error)
