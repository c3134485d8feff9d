"""Which pictures make a batch, and the batch itself, augmented."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from affect_perception.training.data.augmentation import augmented
from affect_perception.training.data.face_sets import Sets
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic.morphs import band, with_other_mouth


class Batch(NamedTuple):
    """N stills, then P persons with V fractions of their morph each and one picture of two fractions."""

    pictures: Tensor  # (N + P (V + 1), S, S) float in 0..255
    share: Tensor  # (N,) target of the intensity
    above: Tensor  # (N, 3) targets of the thresholds
    votes: Tensor  # (N, 8) shares of EXPRESSIONS, a row of NaN where unknown
    affect: Tensor  # (N, 2) valence and arousal, NaN where unknown
    fraction: Tensor  # (P, V) of each person's morph, ascending
    lowest: Tensor  # (P, V + 1) believable intensity
    highest: Tensor  # (P, V + 1)

    def to(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device) for tensor in self))


class Batches:
    """Batch number `step` as a pure function of (seed, step); each set is shuffled anew when all of it was seen."""

    def __init__(self, sets: Sets, settings: TrainingSettings):
        self.settings = settings
        self.morphs = sets['Morphs']['train']
        # Each set of stills with the number that its order is drawn by, and how many of it a batch has.
        wanted = {'FER+': (0, settings.ferplus_batch), 'LFW': (1, settings.lfw_batch)}
        wanted['DiffusionFER'] = 4, settings.diffusionfer_batch
        self.stills = {name: (sets[name]['train'], *how) for name, how in wanted.items() if how[1]}
        longest = max(len(faces) // count for faces, _, count in self.stills.values())
        self.per_epoch = settings.epoch_steps or max(longest, 1)

    def indices(self, step: int) -> dict[str, np.ndarray]:
        """Which pictures of each set of stills, and which persons of the set 'Morphs', make batch `step`."""
        drawn = {
            name: self._drawn(stream, len(faces), count, step) for name, (faces, stream, count) in self.stills.items()
        }
        return drawn | {'Morphs': self._drawn(2, len(self.morphs), self.settings.london_persons, step)}

    def batch(self, step: int) -> Batch:
        chosen = self.indices(step)
        persons = chosen.pop('Morphs')
        crops, *labels = (
            np.concatenate([getattr(self.stills[name][0], field)[index] for name, index in chosen.items()])
            for field in ('crops', 'share', 'above', 'votes', 'affect')
        )
        morphs, *targets = self._graded(persons, step)
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        pictures = torch.from_numpy(np.concatenate([crops, morphs])).float()
        pictures = augmented(pictures, generator, self.settings.augmentation)
        return Batch(pictures, *(torch.from_numpy(np.float32(t)) for t in (*labels, *targets)))

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
