"""Public data sets: an adapter per official layout, `prepare` (media to face crops), and the reader of prepared sets.

An adapter lists the clips of a set and their labels (`records.py`) and reads no pixel; `extraction.py` finds and
crops the faces with the live code; `shards.py` and `prepared.py` write and read the prepared form (docs/datasets.md).
Not here: augmentation, batches and samplers (`training/data/`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from affect_perception.datasets.records import Listing
from affect_perception.errors import ConfigError

# Name for `prepare` -> module and function of the adapter, imported when asked for.
DATASETS: dict[str, tuple[str, str]] = {
    'aff_wild2': ('aff_wild2', 'read'),
    'hume_reaction': ('hume_reaction', 'read'),
    'afew': ('class_folders', 'read_afew'),
    'sfew': ('class_folders', 'read_sfew'),
    'raf_db': ('raf_db', 'read'),
    'affectnet': ('affectnet', 'read'),
    'sewa': ('sewa', 'read'),
    'elan': ('elan_clips', 'read'),
    'csv': ('plain_csv', 'read'),
}


def list_clips(name: str, src: Path, faces: str = 'auto') -> Listing:
    """List the clips of the data set `name` in `src`; ConfigError for an unknown name or a missing folder.

    `faces`: `detect` uses photographs and videos, `given` the face crops of the set, `auto` whatever the set has.
    """
    if name not in DATASETS:
        raise ConfigError(f'no data set {name!r}; choose one of {", ".join(DATASETS)}')
    if not src.is_dir():
        raise ConfigError(f'no folder {src}; give the folder of the data set')
    module, function = DATASETS[name]
    read: Callable[[Path, str], Listing] = getattr(
        import_module(f'affect_perception.datasets.adapters.{module}'), function
    )
    return read(src, faces)
