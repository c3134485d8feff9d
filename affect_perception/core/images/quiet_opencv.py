"""OpenCV without its own warnings: failures are reported by the caller."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import cv2

_lock = threading.Lock()
_inside = 0  # blocks that are running, in all threads
_level = 0  # of OpenCV before the first of them


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of OpenCV during the block, in all threads; several threads may be in blocks at once."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _level
    with _lock:
        _inside += 1
        if _inside == 1:
            with contextlib.suppress(AttributeError):  # an OpenCV without this module
                _level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _leave() -> None:
    global _inside
    with _lock:
        _inside -= 1
        if not _inside:
            with contextlib.suppress(AttributeError):
                cv2.utils.logging.setLogLevel(_level)
