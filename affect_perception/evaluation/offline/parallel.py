"""Jobs of a batch in parallel: their share of the cores, in processes of this machine or as tasks of a Ray cluster."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from functools import partial

from affect_perception.evaluation.offline.jobs import Job
from affect_perception.runtime.devices import usable_cores
from affect_perception.runtime.processes import parallel

RunJob = Callable[[Job, Callable[[float], None]], dict]  # batch.run_job


def run_in_processes(
    run_job: RunJob, jobs: list[Job], workers: int, report: Callable[[str, float], None]
) -> Iterator[tuple[Job, dict]]:
    """Run `jobs` in `workers` processes; yields (job, result) as they finish, an error where a worker died.

    `report` gets a job's name and finished share, in a thread of this process. The next run continues with the rest.
    """
    workers = min(workers, len(jobs))
    shared, start = [_for_worker(job, workers) for job in jobs], partial(_limit_threads, _share_of_cores(workers))
    results = parallel.run_in_processes(run_job, shared, workers, lambda i, part: report(jobs[i].name, part), start)
    return _by_job(jobs, results)


def run_on_ray(run_job: RunJob, jobs: list[Job], address: str) -> Iterator[tuple[Job, dict]]:
    """Run each job as a Ray task with one core (`runtime.processes.parallel.run_on_ray`); yields (job, result)."""
    return _by_job(jobs, parallel.run_on_ray(run_job, [_for_one_core(job) for job in jobs], address))


def _by_job(jobs: list[Job], results: Iterator[tuple[int, dict | parallel.WorkerDied]]) -> Iterator[tuple[Job, dict]]:
    for number, result in results:
        yield jobs[number], {'error': str(result)} if isinstance(result, parallel.WorkerDied) else result


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


def _limit_threads(threads: int) -> None:
    import cv2

    cv2.setNumThreads(threads)
