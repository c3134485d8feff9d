"""Composed pictures from several processes, while another one scores them and trains."""

from __future__ import annotations

import multiprocessing
import os
import queue
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from affect_perception.errors import AffectPerceptionError
from affect_perception.training.proposals.pictures import (
    KINDS,
    SIZE,
    FacePool,
    Image,
    compose,
    load_photos,
    picture_seed,
)
from affect_perception.training.proposals.varied import SHARES, compose_varied

VARIED = 'varied'
VALIDATION_KINDS = (*KINDS, VARIED)
_AHEAD = 12  # pictures that wait, per process
_LEAST = 64  # and in all: more than are ever taken at once
_WAIT_S = 120.0  # for the first picture: imports and the first decoding of all faces


class Composer:
    """Context with `workers` processes that compose `validation` pictures of each kind, then varied ones for ever.

    `data` as of `FacePool`. Pictures pass through a file in the temporary folder.
    """

    def __init__(self, data: Path, workers: int, seed: int = 0, validation: int = 0) -> None:
        FacePool(data, 'train')  # refuses a wrong folder here and not in the processes
        self._folder = tempfile.TemporaryDirectory(prefix='composed-')
        self._file = Path(self._folder.name) / 'pictures'
        count = max(_AHEAD * workers, _LEAST)
        self._slots = np.memmap(self._file, np.uint8, 'w+', shape=(count, *SIZE, 3))
        context = multiprocessing.get_context('spawn')
        self._free, self._ready = context.Queue(), context.Queue()
        for slot in range(count):
            self._free.put(slot)
        ways = str(self._file), count, self._free, self._ready
        self._workers = [
            context.Process(target=_work, args=(data, i, workers, seed, validation, *ways), daemon=True)
            for i in range(workers)
        ]
        self._waiting: list[int] = []
        self._validation: dict[str, list[Image]] = {kind: [] for kind in VALIDATION_KINDS}
        self._left = validation * len(VALIDATION_KINDS)

    def __enter__(self) -> Composer:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.join(5)
        self._free.cancel_join_thread()
        self._ready.cancel_join_thread()
        self._folder.cleanup()

    def validation(self) -> dict[str, np.ndarray]:
        """Wait for the pictures of the validation people, by kind (N, *SIZE, 3) uint8."""
        while self._left:
            self._take(_WAIT_S)
        return {kind: np.stack(pictures) for kind, pictures in self._validation.items() if pictures}

    def take(self, count: int, wait_s: float = 0.0) -> np.ndarray | None:
        """(count, *SIZE, 3) uint8 pictures as soon as there are so many; None after `wait_s`."""
        until = time.monotonic() + wait_s
        while len(self._waiting) < count:
            if not self._take(max(until - time.monotonic(), 0)):
                return None
        chosen, self._waiting = self._waiting[:count], self._waiting[count:]
        pictures = self._slots[chosen]
        for slot in chosen:
            self._free.put(slot)
        return np.asarray(pictures)

    def _take(self, wait_s: float) -> bool:
        """Take one picture, or nothing after `wait_s`; AffectPerceptionError if all processes are dead."""
        try:
            slot, kind = self._ready.get(timeout=wait_s) if wait_s else self._ready.get_nowait()
        except queue.Empty:
            if not any(worker.is_alive() for worker in self._workers):
                raise AffectPerceptionError(
                    'all processes that compose pictures have died; see their messages'
                ) from None
            if wait_s >= _WAIT_S:
                raise AffectPerceptionError(f'no composed picture for {_WAIT_S:.0f} s; give more `--workers`') from None
            return False
        if kind == VARIED:
            self._waiting.append(slot)
            return True
        kind = kind.removeprefix('val ')
        self._validation[kind].append(self._slots[slot].copy())
        self._left -= 1
        self._free.put(slot)
        return True


def _work(
    data: Path, number: int, of: int, seed: int, validation: int, file: str, count: int, free: Any, ready: Any
) -> None:
    """Compose every `of`-th picture into free slots, those for validation first."""
    cv2.setNumThreads(1)
    os.nice(5)  # the process that trains comes first
    slots = np.memmap(file, np.uint8, 'r+', shape=(count, *SIZE, 3))
    photos = load_photos()

    def give(picture: Image, kind: str) -> None:
        slot = free.get()
        slots[slot] = picture
        ready.put((slot, kind))

    pool = FacePool(data, 'val', kept=True)
    for i in range(number, validation * len(VALIDATION_KINDS), of):
        kind = VALIDATION_KINDS[i % len(VALIDATION_KINDS)]
        give(validation_picture(pool, photos, kind, seed, i // len(VALIDATION_KINDS)), f'val {kind}')
    pool = FacePool(data, 'train', SHARES, kept=True)
    while True:
        give(compose_varied(pool, photos, (seed, 2, number)), VARIED)
        number += of


def validation_picture(pool: FacePool, photos: list[Image], kind: str, seed: int, number: int) -> Image:
    """Picture `number` of a kind: as `scored.py` composes them, or a varied one."""
    if kind == VARIED:
        return compose_varied(pool, photos, (seed, 3, number))
    return compose(pool, photos, picture_seed('val', kind, seed, number), KINDS[kind])
