"""Which pictures make a batch, and the batch itself, augmented."""

from __future__ import annotations

import numpy as np
import torch

from affect_perception.training.augment import augmented
from affect_perception.training.datasets import Sets
from affect_perception.training.settings import TrainingSettings


class Batches:
    """Batch number `step` as a pure function of (seed, step); each set is shuffled anew when all of it was seen."""

    def __init__(self, sets: Sets, settings: TrainingSettings):
        self.settings = settings
        self.ferplus, self.lfw, self.london = (sets[name]['train'] for name in ('FER+', 'LFW', 'London'))
        self.pairs = self.london.pairs()
        self.per_epoch = max(len(self.ferplus) // settings.ferplus_batch, 1)

    def indices(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which FER+ pictures, LFW pictures and London persons make batch `step`."""
        s = self.settings
        return (
            self._drawn(0, len(self.ferplus), s.ferplus_batch, step),
            self._drawn(1, len(self.lfw), s.lfw_batch, step),
            self._drawn(2, len(self.pairs), s.london_pairs, step),
        )

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pictures (N, S, S) float in 0..255, shares (N,), above (N, 3) and pairs (P, 2) of batch `step`."""
        ferplus, lfw, persons = self.indices(step)
        parts = [(self.ferplus, ferplus), (self.lfw, lfw), (self.london, self.pairs[persons].reshape(-1))]
        crops, share, above = (
            torch.from_numpy(np.concatenate([getattr(faces, field)[index] for faces, index in parts]))
            for field in ('crops', 'share', 'above')
        )
        pairs = torch.arange(len(ferplus) + len(lfw), len(crops)).reshape(-1, 2)
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        return augmented(crops.float(), generator, self.settings.augmentation), share, above, pairs

    def _drawn(self, stream: int, size: int, count: int, step: int) -> np.ndarray:
        place = np.arange(step * count, (step + 1) * count)
        rounds = place // size
        orders = {
            r: np.random.default_rng((self.settings.seed, stream, r)).permutation(size) for r in np.unique(rounds)
        }
        return np.array([orders[r][p % size] for r, p in zip(rounds, place, strict=True)])
