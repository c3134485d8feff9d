"""Run jobs of a batch in parallel: in processes of this machine, or as tasks of a Ray cluster."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

from affect_perception.errors import ConfigError
from affect_perception.evaluation.offline.jobs import Job
from affect_perception.runtime.devices import usable_cores
from affect_perception.runtime.failures import FailureLog

RunJob = Callable[..., dict]  # batch.run_job


def run_in_processes(
    run_job: RunJob, jobs: list[Job], workers: int, report: Callable[[str, float], None]
) -> Iterator[tuple[Job, dict]]:
    """Run `jobs` in `workers` processes; yields (job, result) as they finish.

    `report` gets a job's name and finished share, in a thread of this process. If a worker dies (out of memory), the
    remaining inputs fail; the next run continues with those.
    """
    context = multiprocessing.get_context('spawn')  # forked threads of torch would hang
    messages = context.SimpleQueue()
    listener = threading.Thread(target=_forward, args=(messages, report), daemon=True)
    listener.start()
    workers = min(workers, len(jobs))
    pool = ProcessPoolExecutor(workers, context, _start_worker, (messages, _share_of_cores(workers)))
    try:
        waiting = {pool.submit(_run_reporting, run_job, _for_worker(job, workers)): job for job in jobs}
        for future in as_completed(waiting):
            try:
                yield waiting[future], future.result()
            except BrokenProcessPool:
                text = 'a worker process died, perhaps out of memory; run again with fewer --jobs'
                yield waiting[future], {'error': text}
    finally:
        pool.shutdown(cancel_futures=True)
        messages.put(None)
        listener.join()


def run_on_ray(run_job: RunJob, jobs: list[Job], address: str) -> Iterator[tuple[Job, dict]]:
    """Run each job as a Ray task with one core; yields (job, result). Inputs and outputs must be on a shared disk.

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
        task = ray.remote(num_cpus=1)(_run_quietly)
        waiting = {task.remote(run_job, _for_one_core(job)): job for job in jobs}
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            try:
                result = ray.get(done)
            except ray.exceptions.RayError as error:
                result = {'error': f'its Ray task failed: {" ".join(str(error).split())[:300]}'}
            yield waiting.pop(done), result
    finally:
        ray.shutdown()


def _run_quietly(run_job: RunJob, job: Job) -> dict:
    return run_job(job)


def _for_one_core(job: Job) -> Job:
    alone = _without_detector_process(job, job.affect.threads or 1)
    return dataclasses.replace(alone, given=os.path.abspath(job.given), out=job.out.absolute())


def _share_of_cores(workers: int) -> int:
    return max(usable_cores() // workers, 1)


def _for_worker(job: Job, workers: int) -> Job:
    """The job with the threads of its share of the cores, unless the user has set a number."""
    return _without_detector_process(job, job.affect.threads or min(_share_of_cores(workers), 4))


def _without_detector_process(job: Job, threads: int) -> Job:
    """The job with its detector in a thread: the cores are busy with other jobs."""
    beside = 'thread' if job.tracker.detect_beside == 'auto' else job.tracker.detect_beside
    tracker, affect = job.tracker.changed(detect_beside=beside), job.affect.changed(threads=threads)
    return dataclasses.replace(job, tracker=tracker, affect=affect)


_messages: Any = None  # in a worker: queue of (job name, finished share)


def _start_worker(messages: Any, threads: int) -> None:
    global _messages
    _messages = messages
    import cv2

    cv2.setNumThreads(threads)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit a worker whose parent was killed and can no longer shut it down."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def _run_reporting(run_job: RunJob, job: Job) -> dict:
    return run_job(job, lambda share: _messages.put((job.name, share)))


def _forward(messages: Any, report: Callable[[str, float], None]) -> None:
    failures = FailureLog('progress of the jobs')
    while (message := messages.get()) is not None:
        try:
            report(*message)
        except Exception as error:  # noqa: BLE001 - thread border: workers wait for whoever takes their messages
            failures(error)
