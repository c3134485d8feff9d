"""Run units in parallel: in processes of this machine, or as tasks of a Ray cluster; yields results as they come."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

from affect_perception.datasets.units import Unit, run_unit
from affect_perception.errors import AffectPerceptionError, ConfigError
from affect_perception.runtime.failures import FailureLog

Result = dict[str, Any] | str  # result of a unit, or the reason why it failed


def run_in_turn(units: list[Unit], report: Callable[[int], None]) -> Iterator[tuple[Unit, Result]]:
    """Run units one after the other; reading, detection and tracking of a video share two cores."""
    for unit in units:
        yield unit, _run(unit, report)


def run_in_processes(units: list[Unit], jobs: int, report: Callable[[int], None]) -> Iterator[tuple[Unit, Result]]:
    """Run units in `jobs` processes; `report` gets numbers of frames in a thread of this process.

    If a process dies (out of memory), the units left fail; the next run continues with those.
    """
    context = multiprocessing.get_context('spawn')  # forked threads would hang
    messages = context.SimpleQueue()
    listener = threading.Thread(target=_forward, args=(messages, report), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(min(jobs, len(units)), context, _start_worker, (messages,))
    try:
        waiting = {pool.submit(_run_reporting, unit): unit for unit in units}
        for future in as_completed(waiting):
            try:
                yield waiting[future], future.result()
            except BrokenProcessPool:
                yield waiting[future], 'a worker process died, perhaps out of memory; run again with fewer --jobs'
    finally:
        pool.shutdown(cancel_futures=True)
        messages.put(None)
        listener.join()


def run_on_ray(units: list[Unit], address: str) -> Iterator[tuple[Unit, Result]]:
    """Run each unit as a Ray task with one core; SRC and DST must be on a shared disk.

    `address` is that of `ray.init`: auto, local, ray://HOST:10001 or HOST:6379.
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
        task = ray.remote(num_cpus=1)(_run)
        waiting = {task.remote(unit): unit for unit in units}
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            try:
                result = ray.get(done)
            except ray.exceptions.RayError as error:
                result = f'its Ray task failed: {" ".join(str(error).split())[:300]}'
            yield waiting.pop(done), result
    finally:
        ray.shutdown()


def _run(unit: Unit, report: Callable[[int], None] = lambda _: None) -> Result:
    try:
        return run_unit(unit, report)
    except AffectPerceptionError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a bug must not cost the other units; the table shows its text
        return f'{type(error).__name__}: {error} (a bug: please report it)'


_messages: Any = None  # in a worker: queue of numbers of frames


def _start_worker(messages: Any) -> None:
    global _messages
    _messages = messages
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit a worker whose parent was killed and can no longer shut it down."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def _run_reporting(unit: Unit) -> Result:
    return _run(unit, _messages.put)


def _forward(messages: Any, report: Callable[[int], None]) -> None:
    failures = FailureLog('progress of the units')
    while (message := messages.get()) is not None:
        try:
            report(message)
        except Exception as error:  # noqa: BLE001 - thread border: workers wait for whoever takes their messages
            failures(error)
