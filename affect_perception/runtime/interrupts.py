"""Ctrl-C while a program imports its modules: the process ends at once, as there is nothing yet to end in order."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # exit status of a program that SIGINT ended


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """Let SIGINT end the process within the block, with status 130 and no traceback out of a half-imported module.

    Without effect in threads other than the main one, and where the program has a handler of its own.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
