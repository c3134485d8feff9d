"""The same work on several inputs at once: in processes of this machine, or as tasks of a Ray cluster."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from affect_perception.errors import ConfigError
from affect_perception.runtime.devices import usable_cores

Work = Callable[..., dict]  # batch.work


def in_processes(work: Work, jobs: list, workers: int, report: Callable[[str, float], None]) -> Iterator:
    """(job, result) as they finish. `report` is called with a job's name and share, from a thread of this process.

    A worker that dies (out of memory) fails the inputs that were left; the next run continues with those.
    """
    context = multiprocessing.get_context('spawn')  # forked threads of torch would hang
    messages = context.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(messages, report), daemon=True)
    listener.start()
    workers = min(workers, len(jobs))
    pool = ProcessPoolExecutor(workers, context, _begin, (messages, _share_of_cores(workers)))
    try:
        waiting = {pool.submit(_one, work, _shared(job, workers)): job for job in jobs}
        for future in as_completed(waiting):
            try:
                yield waiting[future], future.result()
            except BrokenProcessPool:
                text = 'a worker process died, perhaps for want of memory; run again, with fewer --jobs'
                yield waiting[future], {'error': text}
    finally:
        pool.shutdown(cancel_futures=True)
        messages.put(None)
        listener.join()


def on_ray(work: Work, jobs: list, address: str) -> Iterator:
    """(job, result) as they finish, each job a task with one core. Inputs and outputs must be on a shared disk.

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
        task = ray.remote(num_cpus=1)(_alone)
        waiting = {task.remote(work, _on_one_core(job)): job for job in jobs}
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            try:
                result = ray.get(done)
            except ray.exceptions.RayError as error:
                result = {'error': f'its Ray task failed: {" ".join(str(error).split())[:300]}'}
            yield waiting.pop(done), result
    finally:
        ray.shutdown()


def _alone(work: Work, job) -> dict:
    return work(job)


def _on_one_core(job):
    paths = {'given': os.path.abspath(job.given), 'out': job.out.absolute()}
    return dataclasses.replace(_alone_here(job, job.affect.threads or 1), **paths)


def _share_of_cores(workers: int) -> int:
    return max(usable_cores() // workers, 1)


def _shared(job, workers: int):
    """The job with no more threads than its share; what a user has set stays."""
    return _alone_here(job, job.affect.threads or min(_share_of_cores(workers), 4))


def _alone_here(job, threads: int):
    """The job without a process beside for its detector: the cores are busy with other jobs."""
    beside = 'thread' if job.tracker.detect_beside == 'auto' else job.tracker.detect_beside
    tracker, affect = job.tracker.changed(detect_beside=beside), job.affect.changed(threads=threads)
    return dataclasses.replace(job, tracker=tracker, affect=affect)


_messages = None  # in a worker: where to say how far it has come


def _begin(messages, threads: int) -> None:
    global _messages
    _messages = messages
    import cv2

    cv2.setNumThreads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends a worker whose parent was killed and can no longer tell it to."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _one(work: Work, job) -> dict:
    return work(job, lambda share: _messages.put((job.name, share)))


def _listen(messages, report: Callable[[str, float], None]) -> None:
    while (message := messages.get()) is not None:
        report(*message)
