"""One handler for the loggers `affect_perception.*`: lines on stderr, or another sink such as rclpy's logger.

Library modules log with `logging.getLogger(__name__)`; entry points (commands, nodes, child processes) call `log_to`.
Importing the package as a library configures no logging.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

Sink = Callable[[int, str, str], None]  # level of `logging`, name of the logger, text

ROOT = 'affect_perception'


def to_stderr(level: int, name: str, text: str) -> None:
    """Write `[INFO] [name]: text` to stderr, the form of ROS without the time."""
    word = {logging.WARNING: 'WARN', logging.CRITICAL: 'FATAL'}.get(level, logging.getLevelName(level))
    sys.stderr.write(f'[{word}] [{name}]: {text}\n')


class LogHandler(logging.Handler):
    """Handler that passes every record to `sink`; one instance serves the process (`log_to`)."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self.sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Pass `record` to the sink; an error of the sink is reported as `logging` does it, and never raised."""
        try:
            self.sink(record.levelno, record.name, self.format(record))
        except Exception:  # noqa: BLE001 - a log line must not end the work it tells of
            self.handleError(record)


def log_to(sink: Sink = to_stderr, level: int = logging.INFO) -> None:
    """Send the log records of this package at `level` or above to `sink`; replaces the sink of an earlier call."""
    logger = logging.getLogger(ROOT)
    handlers = [handler for handler in logger.handlers if isinstance(handler, LogHandler)]
    if handlers:
        handlers[0].sink = sink
    else:
        logger.addHandler(LogHandler(sink))
    logger.setLevel(level)
    logger.propagate = False  # the root logger may have a handler of its own: no line twice
