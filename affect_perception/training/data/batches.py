"""Choice of the pictures of a batch, and the batch itself: drawn on the CPU, gathered and augmented on the device."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from affect_perception.training.data.augmentation import augmented, degraded
from affect_perception.training.data.face_sets import Faces, Sets
from affect_perception.training.data.randomisation import randomised, with_other_mouths
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic.negatives import no_faces

FIELDS = ('share', 'strength', 'votes', 'affect', 'coefficients')


class Batch(NamedTuple):
    """N pictures with their targets, NaN where unknown."""

    pictures: Tensor  # (N, S, S) float in 0..255
    share: Tensor  # (N,) presence: share of people who name a smile
    strength: Tensor  # (N,) graded strength in [0, 1]
    votes: Tensor  # (N, 8) shares of EXPRESSIONS
    affect: Tensor  # (N, 2) valence and arousal
    coefficients: Tensor  # (N, 52) of the teacher
    person: Tensor  # (N,) number of the London person, -1 for all other pictures
    face: Tensor  # (N,) bool: a face that can be read is shown

    def to(self, device: torch.device) -> Batch:
        """The batch on `device`."""
        return Batch(*(tensor.to(device) for tensor in self))


class Batches:
    """Batch number `step` as a pure function of (seed, step); each set is shuffled anew when all of it was seen.

    All pictures lie on the device. A batch has so many of each set of stills, then London persons at some fractions of
    their morph, then pictures that show no face.
    """

    def __init__(self, sets: Sets, settings: TrainingSettings, device: torch.device | str = 'cpu') -> None:
        self.settings, self.device = settings, torch.device(device)
        # Each set of stills with the number that its order is drawn by, and how many of it a batch has.
        wanted = {'FER+': (0, settings.ferplus_batch), 'LFW': (1, settings.lfw_batch)}
        wanted |= {'DiffusionFER': (4, settings.diffusionfer_batch), 'Portraits': (5, settings.portraits_batch)}
        self.stills = {name: (len(sets[name]['train']), *how) for name, how in wanted.items() if how[1]}
        chosen = [sets[name]['train'] for name in self.stills]
        self.morphs = sets['Morphs']['train']
        nothing = no_faces(chosen, settings) if settings.no_face_batch else np.zeros((0, *self.morphs.crops.shape[2:]))
        flat = self.morphs.crops.reshape(-1, *self.morphs.crops.shape[2:])
        unknown = np.full((len(flat) + len(nothing), 62), np.nan, np.float32)
        columns = [np.concatenate([getattr(f, field) for f in chosen]) for field in FIELDS]
        labelled = [np.ravel(self.morphs.share), np.ravel(self.morphs.strength)]
        rest = [np.concatenate([part, unknown[: len(nothing), 0]]) for part in labelled]
        rest += [unknown[:, :8], unknown[:, 8:10], unknown[:, 10:]]
        crops = np.concatenate([*(f.crops for f in chosen), flat, np.uint8(nothing)])
        self._crops = torch.from_numpy(crops).to(self.device)
        targets = [np.float32(np.concatenate([a, b])) for a, b in zip(columns, rest, strict=True)]
        self._targets = [torch.from_numpy(t).to(self.device) for t in targets]
        steps = self.morphs.crops.shape[1]
        person, face = np.full(len(crops), -1), np.ones(len(crops), bool)
        first = sum(size for size, *_ in self.stills.values())
        person[first : first + len(flat)] = np.repeat(np.arange(len(self.morphs)), steps)
        face[first + len(flat) :] = False
        self._person, self._face = torch.from_numpy(person).to(self.device), torch.from_numpy(face).to(self.device)
        self._morphs_at, self._nothing_at, self._nothing = first, first + len(flat), len(nothing)
        longest = max(size // count for size, _, count in self.stills.values())
        self.per_epoch = settings.epoch_steps or max(longest, 1)

    def indices(self, step: int) -> dict[str, np.ndarray]:
        """Indices of the pictures of each set of stills, and of the persons of the set 'Morphs', of batch `step`."""
        drawn = {name: self._drawn(stream, size, count, step) for name, (size, stream, count) in self.stills.items()}
        return drawn | {'Morphs': self._drawn(2, len(self.morphs), self.settings.london_persons, step)}

    def rows(self, step: int) -> np.ndarray:
        """Rows of all pictures that make batch `step`."""
        s, chosen, rows, begin = self.settings, self.indices(step), [], 0
        for name, (size, _, _) in self.stills.items():
            rows.append(begin + chosen[name])
            begin += size
        count = self.morphs.crops.shape[1]
        fractions = np.random.default_rng((s.seed, 3, step)).integers(0, count, (s.london_persons, s.london_views))
        rows.append(self._morphs_at + (chosen['Morphs'][:, None] * count + fractions).ravel())
        if s.no_face_batch:
            rows.append(self._nothing_at + self._drawn(6, self._nothing, s.no_face_batch, step))
        return np.concatenate(rows)

    def batch(self, step: int) -> Batch:
        """The pictures of batch `step`, augmented, and their targets."""
        rows = torch.from_numpy(self.rows(step)).to(self.device)
        generator = torch.Generator(self.device).manual_seed(self.settings.seed * 1_000_003 + step)
        settings, face = self.settings, self._face[rows]
        share, strength, votes, affect, coefficients = (part[rows] for part in self._targets)
        pictures = self._crops[rows].float()
        if settings.other_mouths:
            to = torch.nonzero(face & (_uniform(generator, len(rows)) < settings.other_mouths)).squeeze(1)
            donors = torch.nonzero(face & ~share.isnan() & ~strength.isnan()).squeeze(1)
            of = donors[torch.randint(len(donors), (len(to),), generator=generator, device=self.device)]
            pictures = with_other_mouths(pictures, to, of)
            share, strength = share.index_copy(0, to, share[of]), strength.index_copy(0, to, strength[of])
            unknown = (part.index_fill(0, to, math.nan) for part in (votes, affect, coefficients))
            votes, affect, coefficients = unknown
        pictures = randomised(pictures, generator, settings.randomisation)
        pictures = augmented(pictures, generator, settings.augmentation)
        if settings.no_face_batch:
            pictures, unclear = degraded(pictures, settings.unclear, generator)
            face = face & ~unclear
        return Batch(pictures, share, strength, votes, affect, coefficients, self._person[rows], face)

    def _drawn(self, stream: int, size: int, count: int, step: int) -> np.ndarray:
        place = np.arange(step * count, (step + 1) * count)
        rounds = place // size
        orders = {r: _order(self.settings.seed, stream, int(r), size) for r in np.unique(rounds)}
        return np.array([orders[r][p % size] for r, p in zip(rounds, place, strict=True)])


def _uniform(generator: torch.Generator, count: int) -> Tensor:
    return torch.rand(count, generator=generator, device=generator.device)


@functools.lru_cache(32)
def _order(seed: int, stream: int, number: int, size: int) -> np.ndarray:
    return np.random.default_rng((seed, stream, number)).permutation(size)


def stills_of(sets: Sets, settings: TrainingSettings, split: str = 'train') -> list[tuple[Faces, float]]:
    """The sets of photographs that training may use, each with its weight in a batch."""
    wanted = {
        'FER+': settings.ferplus_batch,
        'LFW': settings.lfw_batch,
        'DiffusionFER': 2 * settings.diffusionfer_batch,  # the only one with valence and arousal of its own
        'Portraits': settings.portraits_batch,
    }
    return [(sets[name][split], float(weight)) for name, weight in wanted.items() if weight]
