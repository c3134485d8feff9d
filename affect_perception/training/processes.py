"""Map of a function over numbers by several processes, results in order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import torch

_make: Callable[[int], Any] | None = None  # of the worker processes, which inherit it


def in_processes(make: Callable[[int], Any], count: int, workers: int) -> Iterator[Any]:
    """make(0) to make(count − 1) in this order, by `workers` forked processes; by this one for 1.

    `make` must use the CPU alone and give numpy arrays: it runs in copies of this process.
    """
    global _make
    if workers < 2:
        yield from (make(number) for number in range(count))
        return
    _make = make
    with multiprocessing.get_context('fork').Pool(workers, _one_thread) as pool:
        yield from pool.imap(_made, range(count), chunksize=4)
    _make = None


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _made(number: int) -> Any:
    assert _make is not None  # set before the fork
    return _make(number)
