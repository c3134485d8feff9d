"""Import of a module in a thread, for what is needed a little later and slow to import."""

from __future__ import annotations

import contextlib
import threading
from importlib import import_module


def import_in_background(name: str) -> threading.Thread:
    """Start to import module `name`; one that cannot be imported is left to whoever uses it."""
    thread = threading.Thread(target=_imported, args=(name,), name=f'import {name}', daemon=True)
    thread.start()
    return thread


def _imported(name: str) -> None:
    with contextlib.suppress(Exception):  # thread border: raised again by the import that needs it
        import_module(name)
