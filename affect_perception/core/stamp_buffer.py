"""Buffer of recent items by image stamp: the one way in which results, images, tracks and depth are matched.

Topics of one image arrive in any order and with gaps; items are matched by stamp, never waited for.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar('T')


class StampBuffer(Generic[T]):
    """The `size` newest items by stamp (ns). A stamp that goes back (a bag that restarts) empties the buffer first.

    `slop_ns`: largest difference between the stamp asked for and that of the item found; 0: equal stamps only.
    One thread may put items while another looks them up: the content is a tuple that is replaced, never changed.
    """

    def __init__(self, size: int, slop_ns: int = 0) -> None:
        self._size, self._slop_ns = size, slop_ns
        self._items: tuple[tuple[int, T], ...] = ()

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest item, None when empty."""
        items = self._items
        return items[-1][0] if items else None

    def put(self, stamp_ns: int, item: T) -> None:
        """Append an item; the oldest one is discarded when the buffer is full."""
        items = self._items
        kept = items if not items or stamp_ns >= items[-1][0] else ()
        self._items = ((*kept, (stamp_ns, item)))[-self._size :]

    def find(self, stamp_ns: int) -> T | None:
        """Item nearest to `stamp_ns` within `slop_ns`; None if there is none."""
        best = min(self._items, key=lambda entry: abs(entry[0] - stamp_ns), default=None)
        return best[1] if best is not None and abs(best[0] - stamp_ns) <= self._slop_ns else None

    def pop(self, stamp_ns: int) -> T | None:
        """Item found as in `find`; it and all items with older stamps are discarded."""
        item = self.find(stamp_ns)
        self._items = tuple(entry for entry in self._items if entry[0] > stamp_ns)
        return item

    def clear(self) -> None:
        """Discard all items."""
        self._items = ()
