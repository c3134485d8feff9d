"""Depth-1 slot between a producer thread and a consumer thread: the newest item wins, overwritten items are counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from affect_perception.runtime.failures import FailureLog, OnError

T = TypeVar('T')


class NewestItemSlot(Generic[T]):
    """Hold at most one item: `put` overwrites an item that was not taken yet and counts that one as dropped.

    `received` and `dropped` count since construction. `None` is not an item.
    """

    def __init__(self) -> None:
        self._item: T | None = None
        self._closed = self._ended = False
        self._ready = threading.Condition()
        self.received = 0
        self.dropped = 0

    def put(self, item: T) -> None:
        """Store `item` and wake the consumer. Non-blocking."""
        with self._ready:
            self.received += 1
            self.dropped += self._item is not None
            self._item = item
            self._ready.notify()

    def take(self, timeout_s: float | None = None) -> T | None:
        """Block until there is an item and return it; None once the slot is closed, or after `timeout_s`."""
        with self._ready:
            self._ready.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            return None if self._closed and not self._ended else item

    @property
    def closed(self) -> bool:
        """Whether there is nothing to take, now and later."""
        return self._closed and not (self._ended and self._item is not None)

    def close(self) -> None:
        """Make every present and future `take` return None."""
        with self._ready:
            self._closed, self._ended = True, False
            self._ready.notify_all()

    def end(self) -> None:
        """Close the slot for new items; the one that it holds can still be taken."""
        with self._ready:
            self._ended = self._closed = True
            self._ready.notify_all()

    def reopen(self) -> None:
        """Empty the slot and make it usable again after `close`; the counts continue."""
        with self._ready:
            self._item, self._closed, self._ended = None, False, False


class NewestItemPerKey(NewestItemSlot[dict[str, Any]]):
    """Depth-1 slot per key: `take` returns {key: newest item} of everything that arrived since the last `take`."""

    def put_as(self, key: str) -> Callable[[object], None]:
        """Return a `put` function for `key`, for example a subscription's callback."""

        def put(item: object) -> None:
            with self._ready:
                self.received += 1
                waiting = self._item or {}
                self.dropped += key in waiting
                self._item = waiting | {key: item}
                self._ready.notify()

        return put


class SlotWorker:
    """Thread that calls `work(item)` with each item taken from `slot` (a new one if None), one at a time.

    `on_error` gets an exception of `work`, after which the thread takes the next item; by default the first of each
    type is logged.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Any], None],
        slot: NewestItemSlot[Any] | None = None,
        on_error: OnError | None = None,
    ) -> None:
        self.slot: NewestItemSlot[Any] = slot if slot is not None else NewestItemSlot()
        self.slot.reopen()
        self._work = work
        self._on_error = on_error or FailureLog(f'thread {name}')
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self.slot.take()) is not None:
            try:
                self._work(item)
            except Exception as error:  # noqa: BLE001 - thread border: counted and logged, the next item is taken
                self._on_error(error)

    def close(self, timeout_s: float = 5.0) -> None:
        """End the thread after the current item; wait for at most `timeout_s`. May be called by `work` itself."""
        self.slot.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=timeout_s)
