"""Which pictures make a batch, and the batch itself, augmented."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from affect_perception.training.augment import augmented
from affect_perception.training.datasets import Sets
from affect_perception.training.morphs import band, with_other_mouth
from affect_perception.training.settings import TrainingSettings


class Batch(NamedTuple):
    """N stills, then P persons with V fractions of their morph each and one picture of two fractions."""

    pictures: Tensor  # (N + P (V + 1), S, S) float in 0..255
    share: Tensor  # (N,) target of the intensity
    above: Tensor  # (N, 3) targets of the thresholds
    fraction: Tensor  # (P, V) of each person's morph, ascending
    lowest: Tensor  # (P, V + 1) believable intensity
    highest: Tensor  # (P, V + 1)

    def to(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device) for tensor in self))


class Batches:
    """Batch number `step` as a pure function of (seed, step); each set is shuffled anew when all of it was seen."""

    def __init__(self, sets: Sets, settings: TrainingSettings):
        self.settings = settings
        self.ferplus, self.lfw, self.morphs = (sets[name]['train'] for name in ('FER+', 'LFW', 'Morphs'))
        self.per_epoch = max(len(self.ferplus) // settings.ferplus_batch, 1)

    def indices(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which FER+ pictures, LFW pictures and London persons make batch `step`."""
        s = self.settings
        return (
            self._drawn(0, len(self.ferplus), s.ferplus_batch, step),
            self._drawn(1, len(self.lfw), s.lfw_batch, step),
            self._drawn(2, len(self.morphs), s.london_persons, step),
        )

    def batch(self, step: int) -> Batch:
        ferplus, lfw, persons = self.indices(step)
        parts = [(self.ferplus, ferplus), (self.lfw, lfw)]
        crops, share, above = (
            np.concatenate([getattr(faces, field)[index] for faces, index in parts])
            for field in ('crops', 'share', 'above')
        )
        morphs, *targets = self._graded(persons, step)
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        pictures = torch.from_numpy(np.concatenate([crops, morphs])).float()
        pictures = augmented(pictures, generator, self.settings.augmentation)
        return Batch(pictures, *(torch.from_numpy(np.float32(t)) for t in (share, above, *targets)))

    def _graded(self, persons: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Pictures (P (V + 1), S, S) of the morphs of `persons`, fractions (P, V), lowest and highest (P, V + 1).

        The last picture of each person has the mouth of one fraction in the face of another: the mouth has the say, and
        where the face contradicts it the band is wider.
        """
        s, rng, people = self.settings, np.random.default_rng((self.settings.seed, 3, step)), np.arange(len(persons))
        crops, fractions = self.morphs.crops[persons], self.morphs.fractions
        count = len(fractions)
        views = np.stack([np.sort(rng.choice(count, s.london_views, replace=s.london_views > count)) for _ in persons])
        (mouth, face), spread = rng.integers(0, count, (2, len(persons))), rng.random(len(persons))
        mixed = np.stack([with_other_mouth(crops[i, face[i]], crops[i, mouth[i]], spread[i]) for i in people])
        pictures = np.concatenate([crops[people[:, None], views], mixed[:, None]], 1)
        said = fractions[mouth]
        seen = 0.75 * said + 0.25 * fractions[face]
        bounds = s.weakest_smile, s.strongest_smile, s.strongest_neutral
        lowest, _ = band(np.column_stack([fractions[views], np.minimum(said, seen)]), *bounds)
        _, highest = band(np.column_stack([fractions[views], np.maximum(said, seen)]), *bounds)
        return pictures.reshape(-1, *pictures.shape[2:]), fractions[views], lowest, highest

    def _drawn(self, stream: int, size: int, count: int, step: int) -> np.ndarray:
        place = np.arange(step * count, (step + 1) * count)
        rounds = place // size
        orders = {
            r: np.random.default_rng((self.settings.seed, stream, r)).permutation(size) for r in np.unique(rounds)
        }
        return np.array([orders[r][p % size] for r, p in zip(rounds, place, strict=True)])
