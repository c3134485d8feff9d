"""Two stages of work side by side: one thread makes items while another uses the ones before; and items in groups."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar('T')

_END = object()


def ahead(items: Iterable[T], count: int = 8) -> Iterator[T]:
    """The items, in order, made by another thread that is at most `count` of them ahead.

    What raises there raises here, after the items before it. Closing the iterator ends the thread.
    """
    made: queue.Queue = queue.Queue(count)
    stop = threading.Event()

    def put(item) -> bool:
        while not stop.is_set():
            try:
                made.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        error = None
        try:
            for item in items:
                if not put((item, None)):
                    return
        except BaseException as caught:
            error = caught
        put((_END, error))

    thread = threading.Thread(target=make, name='ahead', daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        thread.join()


def in_groups(items: Iterable[T], count: int) -> Iterator[list[T]]:
    """`count` items each; fewer at the end, also before what raises there raises here."""
    group: list[T] = []
    try:
        for item in items:
            group.append(item)
            if len(group) == count:
                yield group
                group = []
    except Exception:
        if group:
            yield group
        raise
    if group:
        yield group
