"""Reader of a prepared data set: sequences, windows and evenly spaced frames as arrays, without torch."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from affect_perception.datasets.units import FORMAT
from affect_perception.errors import ConfigError

log = logging.getLogger(__name__)
_AHEAD = 4  # batches that are read ahead per worker


@dataclass(frozen=True, eq=False)
class CropSequence:
    """All crops of one person in one clip: `rows` (N,) are rows of the tables of `PreparedDataset`, by frame."""

    clip: str
    person: str
    rows: np.ndarray
    clip_labels: dict[str, float]
    audio_features: str = ''


@dataclass(frozen=True, eq=False)
class Batch:
    """Crops (B, T, S, S, 3) uint8 RGB, labels (B, T, Q) float32 with NaN where not labelled, and rows (B, T)."""

    crops: np.ndarray
    labels: np.ndarray
    rows: np.ndarray

    @property
    def valid(self) -> np.ndarray:
        """(B, T, Q) bool: labelled."""
        valid: np.ndarray = np.logical_not(np.isnan(self.labels))
        return valid


class PreparedDataset:
    """One split of a data set that `affect-perception prepare` wrote; may be pickled to worker processes.

    Tables with a row per crop: `labels` (N, Q) float32 with NaN where not labelled, `frame` (N,), `time_s` (N,), `box`
    (N, 4) px, `confidence` (N,), `track_id` (N,). `quantities` names the columns of `labels`, `classes` the classes of
    those that have some. Raises ConfigError for no, an incomplete or another format of data set, and an absent split.
    """

    def __init__(self, root: Path, split: str = 'train') -> None:
        self.root, self.split = Path(root), split
        about = _read_about(self.root)
        if split not in about['shards']:
            raise ConfigError(f'{root} has no split {split!r}; it has {", ".join(about["shards"])}')
        self.name: str = about['name']
        self.crop_size: int = about['crop_size']
        self.about: dict[str, Any] = about  # content of dataset.json
        self.quantities: tuple[str, ...] = tuple(about['quantities'])
        self.classes: dict[str, tuple[str, ...]] = {q: tuple(c) for q, c in about['classes'].items()}
        self._files = [self.root / f'{shard}.tar' for shard in about['shards'][split]]
        self._open: dict[tuple[int, int], int] = {}  # (process, shard) -> file descriptor
        self._load(about['shards'][split])

    def _load(self, shards: Sequence[str]) -> None:
        tables: dict[str, list[np.ndarray]] = {}
        sequences: list[dict[str, Any]] = []
        for number, shard in enumerate(shards):
            try:
                with np.load(self.root / f'{shard}.npz', allow_pickle=False) as index:
                    arrays = {name: index[name] for name in index.files}
            except (OSError, ValueError) as error:
                raise ConfigError(f'{self.root / shard}.npz cannot be read: {error}; run prepare again') from None
            about = json.loads(str(arrays.pop('sequences')))
            arrays['sequence'] = arrays['sequence'] + len(sequences)
            arrays['shard'] = np.full(len(arrays['frame']), number, np.int32)
            sequences += about
            for name, array in arrays.items():
                tables.setdefault(name, []).append(array)
        table = {name: np.concatenate(arrays) for name, arrays in tables.items()}
        order = np.lexsort((table['frame'], table['sequence']))
        table = {name: array[order] for name, array in table.items()}
        self._shard, self._offset, self._size = table['shard'], table['offset'], table['size']
        self.labels, self.frame, self.time_s = table['labels'], table['frame'], table['time_s']
        self.box, self.confidence, self.track_id = table['box'], table['confidence'], table['track_id']
        bounds = np.searchsorted(table['sequence'], np.arange(len(sequences) + 1))
        self.sequences = tuple(
            CropSequence(s['clip'], s['person'], np.arange(a, b), s['clip_labels'], s['audio_features'])
            for s, a, b in zip(sequences, bounds[:-1], bounds[1:], strict=True)
        )

    def __len__(self) -> int:
        return len(self.frame)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_open': {}}

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Decode the crops of `rows` (…,) to (…, S, S, 3) uint8 RGB; rows next to each other are read in one go."""
        flat = np.asarray(rows, np.int64).ravel()
        out = np.empty((len(flat), self.crop_size, self.crop_size, 3), np.uint8)
        breaks = np.flatnonzero((np.diff(flat) != 1) | (np.diff(self._shard[flat]) != 0)) + 1
        for run in np.split(np.arange(len(flat)), breaks):
            self._read_run(flat[run], out[run[0] : run[-1] + 1] if len(run) else out[:0])
        return out.reshape(*np.shape(rows), self.crop_size, self.crop_size, 3)

    def _read_run(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Decode successive rows of one shard; interleaved clips and parts lie between them in the file."""
        if not len(rows):
            return
        offsets, sizes = self._offset[rows].tolist(), self._size[rows].tolist()
        descriptor = self._descriptor(int(self._shard[rows[0]]))
        together = offsets[-1] + sizes[-1] - offsets[0] <= 2 * (sum(sizes) + 1024 * len(rows))
        data = os.pread(descriptor, offsets[-1] + sizes[-1] - offsets[0], offsets[0]) if together else b''
        for i, (offset, size) in enumerate(zip(offsets, sizes, strict=True)):
            begin = offset - offsets[0]
            jpeg = data[begin : begin + size] if together else os.pread(descriptor, size, offset)
            image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if len(jpeg) == size else None
            if image is None or image.shape != out[i].shape:
                raise ConfigError(f'{self._files[int(self._shard[rows[0]])]} is damaged; delete it and prepare again')
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=out[i])

    def _descriptor(self, shard: int) -> int:
        key = os.getpid(), shard
        if key not in self._open:
            self._open[key] = os.open(self._files[shard], os.O_RDONLY)
        return self._open[key]

    def close(self) -> None:
        """Close the shards; the next `read` opens them again."""
        for (process, _), descriptor in self._open.items():
            if process == os.getpid():
                os.close(descriptor)
        self._open = {}

    def windows(self, length: int, step: int = 0, max_gap: int = 0) -> np.ndarray:
        """(W, length) rows: windows of successive crops of one sequence, `step` crops apart (0: `length`).

        `max_gap` is the number of frames that may be missing between two crops (-1: any, as in Witzig et al. 2019, who
        remove frames without a face). Clips shorter than a window are left out, with one warning. ConfigError without
        any window.
        """
        step = step or length
        found: list[np.ndarray] = []
        short: list[str] = []
        for sequence in self.sequences:
            before = len(found)
            for run in self._runs(sequence.rows, max_gap):
                found += [run[i : i + length] for i in range(0, len(run) - length + 1, step)]
            if len(found) == before:
                short.append(sequence.clip)
        if short:
            log.warning(
                'Skipping %d of %d clips of %s, shorter than a window of %d crops: %s%s', len(short),
                len(self.sequences), self.root, length, ', '.join(short[:3]), ', …' if len(short) > 3 else '',
            )  # fmt: skip
        if not found:
            raise ConfigError(
                f'no clip of {self.root} ({self.split}) has {length} successive crops; use a shorter window'
            )
        return np.stack(found)

    def _runs(self, rows: np.ndarray, max_gap: int) -> list[np.ndarray]:
        if max_gap < 0:
            return [rows]
        return np.split(rows, np.flatnonzero(np.diff(self.frame[rows]) > max_gap + 1) + 1)

    def evenly_spaced(self, count: int) -> np.ndarray:
        """(S, count) rows: `count` evenly spaced crops per sequence (Qian et al. 2023); short ones repeat crops."""
        kept = [s.rows for s in self.sequences if len(s.rows)]
        if not kept:
            raise ConfigError(f'{self.root} ({self.split}) has no crops')
        return np.stack([rows[np.linspace(0, len(rows) - 1, count).round().astype(int)] for rows in kept])

    def batches(self, windows: np.ndarray, size: int, seed: int | None = None, workers: int = 2) -> Iterator[Batch]:
        """Yield batches of `size` windows (W, T), shuffled by `seed` (None: in order), read ahead by `workers` threads.

        The order depends on the seed alone. The last batch may be smaller.
        """
        order = np.arange(len(windows)) if seed is None else np.random.default_rng(seed).permutation(len(windows))
        parts = [windows[order[i : i + size]] for i in range(0, len(order), size)]
        with ThreadPoolExecutor(workers, 'crops') as pool:
            waiting = [pool.submit(self._batch, part) for part in parts[: _AHEAD * workers]]
            for i in range(len(parts)):
                batch = waiting[i].result()
                waiting[i] = None  # type: ignore[call-overload]  # the batch may be large
                if len(waiting) < len(parts):
                    waiting.append(pool.submit(self._batch, parts[len(waiting)]))
                yield batch

    def _batch(self, rows: np.ndarray) -> Batch:
        return Batch(self.read(rows), self.labels[rows], rows)

    def class_counts(self, quantity: str) -> dict[str, int]:
        """Number of crops per class of `quantity`; ConfigError for one without classes."""
        if quantity not in self.classes:
            raise ConfigError(f'{self.root} has no classes of {quantity!r}; it has {", ".join(self.classes) or "none"}')
        values = self.labels[:, self.quantities.index(quantity)]
        counts = np.bincount(values[~np.isnan(values)].astype(int), minlength=len(self.classes[quantity]))
        return dict(zip(self.classes[quantity], counts.tolist(), strict=True))


def _read_about(root: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((root / 'dataset.json').read_text())
    except (OSError, ValueError):
        raise ConfigError(f'{root} is no prepared data set; make one with affect-perception prepare') from None
    if not about.get('complete'):
        raise ConfigError(f'{root} is not complete; run affect-perception prepare again, it continues')
    if about.get('format') != FORMAT:
        raise ConfigError(f'{root} has format {about.get("format")}; wanted {FORMAT}: prepare it again')
    return about
