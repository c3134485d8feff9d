"""Pipelining of iterators: produce items in a background thread, bounded, in order; and fixed-size batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar('T')

_POLL_S = 0.1


class _Producer(Generic[T]):
    """Thread that puts (item, None) for each item, then (None, the exception that ended the iteration)."""

    def __init__(self, items: Iterable[T], count: int) -> None:
        self._items = items
        self.made: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(count)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name='prefetch', daemon=True)
        self.thread.start()

    def _run(self) -> None:
        end: BaseException = StopIteration()
        try:
            for item in self._items:
                if not self._put((item, None)):
                    return
        except BaseException as error:  # noqa: BLE001  thread border: raised again in the consumer
            end = error
        self._put((None, end))

    def _put(self, entry: tuple[T | None, BaseException | None]) -> bool:
        """False once the consumer has stopped."""
        while not self.stop.is_set():
            try:
                self.made.put(entry, timeout=_POLL_S)
                return True
            except queue.Full:
                continue
        return False


def prefetch(
    items: Iterable[T], count: int = 8, interrupt: Callable[[], None] | None = None
) -> Generator[T, None, None]:
    """Yield `items` in order, produced by a background thread that is at most `count` items ahead.

    An exception of `items` is raised here after the items before it. Closing the iterator ends the thread and waits
    for the item in production; `interrupt` is called before that wait, to cut the production short.
    """
    producer = _Producer(items, count)
    try:
        while True:
            item, end = producer.made.get()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item  # type: ignore[misc]  # None only beside an exception
    finally:
        producer.stop.set()
        if interrupt is not None:
            interrupt()
        producer.thread.join()


def batched(items: Iterable[T], count: int) -> Iterator[list[T]]:
    """Yield lists of `count` items; the last list may be shorter, also when `items` raises after it."""
    batch: list[T] = []
    try:
        for item in items:
            batch.append(item)
            if len(batch) == count:
                yield batch
                batch = []
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
