"""One place for the newest item, between a thread that receives and a thread that works."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar('T')


class NewestItemSlot(Generic[T]):
    """Holds at most one item: `put` replaces what was not yet taken and counts it as dropped."""

    def __init__(self):
        self._item: T | None = None
        self._closed = False
        self._ready = threading.Condition()
        self.received = 0
        self.dropped = 0

    def put(self, item: T) -> None:
        with self._ready:
            self.received += 1
            self.dropped += self._item is not None
            self._item = item
            self._ready.notify()

    def take(self) -> T | None:
        """The newest item, waiting for one; None once the slot is closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def reopen(self) -> None:
        """Empty and usable again after `close`; the counts go on."""
        with self._ready:
            self._item, self._closed = None, False


class NewestItemPerKey(NewestItemSlot[dict]):
    """One place per key: `put_as(key)` is a `put` for that key, `take` gives all that arrived since, by key."""

    def put_as(self, key: str) -> Callable[[object], None]:
        def put(item: object) -> None:
            with self._ready:
                self.received += 1
                waiting = self._item or {}
                self.dropped += key in waiting
                self._item = waiting | {key: item}
                self._ready.notify()

        return put


class SlotWorker:
    """A thread that hands what arrives in a slot to `work`, one item at a time, newest first."""

    def __init__(self, name: str, work, slot: NewestItemSlot | None = None):
        self.slot: NewestItemSlot = slot if slot is not None else NewestItemSlot()
        self.slot.reopen()
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self.slot.take()) is not None:
            self._work(item)

    def close(self) -> None:
        """Ends after the item in work; waits for it, but not for ever."""
        self.slot.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5.0)
