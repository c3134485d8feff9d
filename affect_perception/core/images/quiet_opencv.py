"""OpenCV without its own warnings: failures are reported by the caller."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import cv2


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of OpenCV during the block, in all threads."""
    try:
        logging = cv2.utils.logging
        before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    except AttributeError:  # an OpenCV without this module
        yield
        return
    try:
        yield
    finally:
        logging.setLogLevel(before)
