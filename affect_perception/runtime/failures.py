"""Errors of loops and callbacks that must go on: counted by type, the first of each logged with its place."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Callable

log = logging.getLogger(__name__)

OnError = Callable[[Exception], object]


def described(error: Exception) -> str:
    """Text of an unexpected error for the log: type, text and place in the source."""
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = f' ({where[0].filename}:{where[0].lineno})' if where else ''
    return f'{type(error).__name__}: {error}{place}'


class FailureLog:
    """Counter of the errors of one loop; the first of each type is logged with its place.

    `what` is the subject of the line. `counts` holds the number of errors by name of their type. An instance may be
    called by several threads.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.counts: Counter[str] = Counter()

    def __call__(self, error: Exception) -> None:
        """Count `error`, and log the first of its type."""
        kind = type(error).__name__
        self.counts[kind] += 1
        if self.counts[kind] == 1:
            log.error(
                '%s: %s; skipped, further ones of this type are only counted. This is a mistake of ours: please '
                'report it',
                self.what,
                described(error),
            )
