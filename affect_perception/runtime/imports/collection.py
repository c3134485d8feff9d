"""Garbage collection around the imports of a start: modules are no garbage, and to look through them takes long."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect no garbage within the block, and never look at what is there at its end (gc.freeze).

    The import of PyTorch takes a sixth less CPU time, and later collections do not stop all threads for 0.1 s.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
