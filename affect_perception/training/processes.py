"""Map of a function over numbers by several processes, results in order."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import cv2
import torch

from affect_perception.errors import AffectPerceptionError

# Modules whose functions draw films; importing PyTorch takes longer than many a film.
PRELOADED = ('affect_perception.training.scoring.temporal_probe', 'affect_perception.training.synthetic.sequences')
AHEAD = 4  # results that may wait to be taken, times the number of workers

_make: Callable[[int], Any] | None = None  # of a worker process


def in_processes(make: Callable[[int], Any], count: int, workers: int) -> Iterator[Any]:
    """make(0) to make(count − 1) in this order, by `workers` processes; by this one for 1.

    `make` is pickled once per worker (a partial of a module's function). Workers come from a server process that has
    imported what they need and run nothing: in a forked copy of a process whose OpenMP, OpenCV or CUDA threads have
    run, the next parallel region waits for them for ever. Raises AffectPerceptionError where a worker dies.
    """
    if workers < 2:
        yield from (make(number) for number in range(count))
        return
    waiting: deque[Future] = deque()
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__, *PRELOADED])
    pool = ProcessPoolExecutor(min(workers, count), context, _start, (make,))
    try:
        for number in range(count):
            waiting.append(pool.submit(_made, number))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise AffectPerceptionError(
            f'one of {workers} worker processes died, perhaps out of memory; resume with a lower `workers`'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start(make: Callable[[int], Any]) -> None:
    global _make
    _make = make
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _made(number: int) -> Any:
    assert _make is not None  # set by the initialiser of the worker
    return _make(number)
