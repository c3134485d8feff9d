"""Rotating sweep: another part of the canvas of dlib's pyramid with every picture, so that no face is missed long."""

from __future__ import annotations

import math


class Sweep:
    """Parts of a score map in turns: every cell is in one of `parts`, or a few more, calls of `next` in a row."""

    def __init__(self, parts: int) -> None:
        self._parts = parts
        self._number = 0

    def next(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of the next part of a map of `size` (rows, columns): nearly square, of nearly equal size."""
        rows, columns = size
        across = min(max(round(math.sqrt(self._parts * columns / rows)), 1), columns)
        down = min(math.ceil(self._parts / across), rows)
        number, self._number = self._number % (down * across), self._number + 1
        return _share(rows, number // across, down), _share(columns, number % across, across)


def _share(size: int, number: int, of: int) -> slice:
    return slice(size * number // of, size * (number + 1) // of)
