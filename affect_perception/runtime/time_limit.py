"""A limit of time for calls that have none of their own: name look-ups, a server that sends a byte a second."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar('T')


def within(seconds: float, work: Callable[[], T], give_up: Callable[[], object], drop: Callable[[T], object]) -> T:
    """Return the result of `work`, called in a thread, or raise its error; TimeoutError after `seconds`.

    Then `give_up` is called, to make the call end, and `drop` gets a result that comes too late.
    """
    done: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    lock, late = threading.Lock(), threading.Event()

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - thread border: raised again in the caller
            error = raised
        with lock:
            if not late.is_set():
                return done.put((result, error))
        if error is None:
            drop(result)  # type: ignore[arg-type]  # without an error there is a result
        return None

    threading.Thread(target=run, name='time limit', daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except queue.Empty:
        with lock:
            late.set()
        give_up()
        raise TimeoutError(f'no answer within {seconds:g} s') from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # without an error there is a result
