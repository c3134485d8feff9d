"""Composed pictures with dlib's scores of them, kept in files of PART pictures, so that a stopped run goes on."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affect_perception.detectors.dlib.cnn import DlibCnn
from affect_perception.detectors.proposals.canvas import draw, proposal_canvas
from affect_perception.training.proposals.pictures import KINDS, SIZE, FacePool, compose, load_photos, picture_seed
from affect_perception.training.proposals.targets import targets

PART = 250  # pictures per file
Scored = tuple[np.ndarray, np.ndarray]


@dataclass
class ScoredPictures:
    """Pictures composed from the sets in `data`, scored by dlib; parts are kept in the folder `cache`."""

    data: Path
    cache: Path
    seed: int = 0

    def __call__(self, split: str, counts: dict[str, int]) -> Scored:
        """Canvases (N, H, W, 3) uint8 and targets (N, LEVELS, h, w) float16 of `counts` pictures of each kind."""
        parts = [
            self._part(split, kind, first, min(PART, count - first))
            for kind, count in counts.items()
            for first in range(0, count, PART)
        ]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _part(self, split: str, kind: str, first: int, count: int) -> Scored:
        file = self.cache / f'{split}-{kind}-{self.seed}-{first}-{count}.npz'
        if not file.is_file():
            inputs, outputs = self._score(split, kind, range(first, first + count))
            file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = file.with_suffix('.part.npz')
            np.savez(unfinished, inputs=inputs, outputs=outputs)
            os.replace(unfinished, file)
            done = f'{split}, {kind}: {first + count} pictures scored, {time.process_time():.0f} s'
            print(done, flush=True)  # noqa: T201  progress of a script
        loaded = np.load(file)
        return loaded['inputs'], loaded['outputs']

    def _score(self, split: str, kind: str, numbers: range) -> Scored:
        pool, photos, dlib = FacePool(self.data, split), load_photos(), DlibCnn(precision='fp32')
        layout = proposal_canvas(*SIZE, False)
        inputs, outputs = [], []
        for number in numbers:
            picture = compose(pool, photos, picture_seed(split, kind, self.seed, number), KINDS[kind])
            inputs.append(draw(picture, layout))
            outputs.append(targets(*dlib.scores(picture), layout).astype(np.float16))
        return np.stack(inputs), np.stack(outputs)
