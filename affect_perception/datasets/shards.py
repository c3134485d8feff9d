"""Writing of one shard of a prepared data set: a WebDataset tar of JPEG crops, and an index of its frames.

A sample (WebDataset: all members up to the first dot of their names) is a part of a sequence, at most PART frames of
one person in one clip: `train-00003-00000.json` with labels, then `train-00003-00000.0000.jpg`, … The index
`train-00003.npz` holds offset, size and labels of every frame, so that any window is read with one `pread` and without
reading the tar from its beginning. docs/datasets.md describes both, and why they were chosen.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from affect_perception.datasets.extraction import FaceSample
from affect_perception.datasets.records import Clip

PART = 500  # frames per sample: 2.5 MB of JPEG held in memory until the sample is written
JPEG_QUALITY = 95
_HEADER = 512  # bytes of a tar header


class ShardWriter:
    """Write crops and labels of some clips to `PATH.tar` and `PATH.npz`; context manager, whole on a clean exit only.

    `quantities` names the columns of the labels; `add` may interleave clips.
    """

    def __init__(self, path: Path, quantities: Sequence[str]) -> None:
        self._path, self._quantities = path, tuple(quantities)
        self._open: dict[str, _Sequence] = {}
        self._sequences: list[dict[str, Any]] = []
        self._rows: list[tuple] = []
        self._labels: list[np.ndarray] = []
        self._samples = 0

    def __enter__(self) -> ShardWriter:
        self._temporary = self._path.with_suffix('.tar.part')
        self._tar = tarfile.open(self._temporary, 'w', format=tarfile.USTAR_FORMAT)
        return self

    def add(self, clip: Clip, frame: int, time_s: float, sample: FaceSample, labels: np.ndarray) -> None:
        """Add one crop; `labels` (quantities,) float, NaN where not labelled."""
        sequence = self._open.get(clip.name)
        if sequence is None:
            self._sequences.append(_about(clip))
            sequence = self._open[clip.name] = _Sequence(clip, len(self._sequences) - 1)
        ok, data = cv2.imencode(
            '.jpg', np.ascontiguousarray(sample.crop[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        )
        if not ok:
            raise ValueError(f'crop of shape {sample.crop.shape} cannot be encoded')
        box = sample.box.x, sample.box.y, sample.box.width, sample.box.height
        sequence.frames.append((frame, time_s, sample.track_id, box, sample.confidence))
        sequence.images.append(data.tobytes())
        sequence.labels.append(np.asarray(labels, np.float32))
        if len(sequence.images) == PART:
            self._write(sequence)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            for sequence in self._open.values():
                self._write(sequence)
        self._tar.close()
        if kind is not None:
            self._temporary.unlink(missing_ok=True)
            return
        self._write_index()
        self._temporary.replace(self._path.with_suffix('.tar'))

    def _write(self, sequence: _Sequence) -> None:
        if not sequence.images:
            return
        key = f'{self._path.name}-{self._samples:05d}'
        self._samples += 1
        labels = np.stack(sequence.labels)
        about = {
            **self._sequences[sequence.index],
            'part': sequence.part,
            'frames': [frame for frame, *_ in sequence.frames],
            'times_s': [round(time_s, 6) for _, time_s, *_ in sequence.frames],
            'labels': {q: _numbers(labels[:, i]) for i, q in enumerate(self._quantities)},
        }
        self._add(f'{key}.json', json.dumps(about).encode())
        for i, (data, row) in enumerate(zip(sequence.images, sequence.frames, strict=True)):
            offset = self._add(f'{key}.{i:04d}.jpg', data)
            self._rows.append((sequence.index, offset, len(data), *row))
        self._labels.append(labels)
        sequence.frames, sequence.images, sequence.labels = [], [], []
        sequence.part += 1

    def _add(self, name: str, data: bytes) -> int:
        """Append a member; returns the offset of its data in the tar."""
        info = tarfile.TarInfo(name)
        info.size = len(data)
        offset = self._tar.offset + _HEADER
        self._tar.addfile(info, io.BytesIO(data))
        return offset

    def _write_index(self) -> None:
        columns: list[Sequence] = list(zip(*self._rows, strict=True)) if self._rows else [()] * 8
        kinds = np.int32, np.int64, np.int32, np.int32, np.float64, np.int32, np.float32, np.float32
        names = 'sequence', 'offset', 'size', 'frame', 'time_s', 'track_id', 'box', 'confidence'
        arrays = {n: np.array(c, k) for n, c, k in zip(names, columns, kinds, strict=True)}
        arrays['box'] = arrays['box'].reshape(-1, 4)
        count = len(self._quantities)
        arrays['labels'] = np.concatenate([np.zeros((0, count), np.float32), *self._labels])
        arrays['sequences'] = np.array(json.dumps(self._sequences))
        np.savez(self._path.with_suffix('.npz'), **arrays)  # type: ignore[arg-type]  # names of arrays, not flags


class _Sequence:
    """Frames of one clip that are not written yet."""

    def __init__(self, clip: Clip, index: int) -> None:
        self.clip, self.index, self.part = clip, index, 0
        self.frames: list[tuple] = []
        self.images: list[bytes] = []
        self.labels: list[np.ndarray] = []


def _about(clip: Clip) -> dict[str, Any]:
    return {
        'clip': clip.name,
        'person': clip.person,
        'split': clip.split,
        'faces': clip.faces,
        'clip_labels': dict(clip.values),
        'audio_features': clip.audio_features,
    }


def _numbers(column: np.ndarray) -> list[float | None]:
    return [None if np.isnan(v) else round(float(v), 6) for v in column]
