"""The films that the recurrent part learns from, as embeddings of its CNN, which does not change any more.

A film is a function of (seed, number). London persons play smile courses with exact fractions; photographs are held,
and sometimes cut to another one, so that expressions change too; a few films show no face at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from affect_perception.models.smile_va import USUAL_GAP_S, SmileVa
from affect_perception.training.data.augmentation import augmented, degraded
from affect_perception.training.data.batches import stills_of
from affect_perception.training.data.face_sets import Faces, Sets
from affect_perception.training.processes import in_processes
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic import rendering, trajectories
from affect_perception.training.synthetic.morphs import Morphs
from affect_perception.training.synthetic.negatives import no_face

CUTS = 0.35  # share of the photograph films in which another photograph follows
NO_FACE = 0.12  # share of the photograph films, and of the first looks, that show no face
SPEECH = 0.4  # share of the London films in which the person talks


@dataclass(frozen=True, eq=False)
class Film:
    """T frames, and what is true of each; NaN where nobody knows."""

    pictures: np.ndarray  # (T, S, S) uint8
    gaps_s: np.ndarray  # (T,) seconds since the frame before
    share: np.ndarray  # (T,) presence: share of people who name a smile
    strength: np.ndarray  # (T,) graded strength of the smile
    votes: np.ndarray  # (T, 8) shares of EXPRESSIONS
    affect: np.ndarray  # (T, 2) valence and arousal
    face: np.ndarray  # (T,) bool: a face is shown
    graded: np.ndarray  # (T,) bool: a London person's smile, whose course is known


@dataclass(frozen=True, eq=False)
class Bank:
    """M films of one length as tensors; `embeddings` (M, T, E), the rest as in Film with M in front."""

    embeddings: Tensor
    gaps_s: Tensor
    share: Tensor
    strength: Tensor
    votes: Tensor
    affect: Tensor
    face: Tensor
    graded: Tensor

    def __len__(self) -> int:
        return len(self.embeddings)

    def to(self, device: torch.device) -> Bank:
        """Copy of the films on `device`."""
        return Bank(*(getattr(self, field.name).to(device) for field in fields(self)))

    def __getitem__(self, index: Tensor | slice) -> Bank:
        return Bank(*(getattr(self, field.name)[index] for field in fields(self)))


def graded_film(morphs: Morphs, number: int, settings: TrainingSettings) -> Film:
    """A London person's smile course, talking or not."""
    rng, count = np.random.default_rng((settings.seed, 11, number)), settings.graded_frames
    person = number % len(morphs)
    gaps = trajectories.frame_gaps(rng, count)
    seconds = np.cumsum(gaps)
    fraction = trajectories.smile_course(rng, seconds)
    opening = trajectories.speech_course(rng, seconds) if rng.random() < SPEECH else np.zeros(count)
    frames = rendering.london_frames(morphs.crops[person], fraction, opening)
    unknown = np.full((count, 10), np.nan)
    pictures = rendering.filmed(frames, seconds, rng, settings.augmentation)
    share, strength = (np.interp(fraction, morphs.fractions, of[person]) for of in (morphs.share, morphs.strength))
    yes = np.ones(count, bool)
    return Film(pictures, gaps, share, strength, unknown[:, :8], unknown[:, 8:], yes, yes)


def still_film(stills: list[tuple[Faces, float]], number: int, settings: TrainingSettings) -> Film:
    """A photograph of one of the sets, drawn by their weights; or two, or none that shows a face."""
    rng, count = np.random.default_rng((settings.seed, 12, number)), settings.still_frames
    weights = np.array([weight for _, weight in stills])

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        faces = stills[rng.choice(len(stills), p=weights / weights.sum())][0]
        i = rng.integers(len(faces))
        return faces.crops[i], np.array([faces.share[i], faces.strength[i], *faces.votes[i], *faces.affect[i]])

    gaps = trajectories.frame_gaps(rng, count)
    seconds = np.cumsum(gaps)
    crop, labels = drawn()
    kind = rng.random()
    yes = np.ones(count, bool)
    if kind < NO_FACE:
        nothing = np.full((count, 12), np.nan)
        frames = np.repeat(no_face(rng, crop)[None], count, 0)
        pictures = rendering.filmed(frames, seconds, rng, settings.augmentation)
        return Film(pictures, gaps, nothing[:, 0], nothing[:, 1], nothing[:, 2:10], nothing[:, 10:], ~yes, ~yes)
    share = np.zeros(count)
    other = crop, labels
    if kind < NO_FACE + CUTS:
        other = drawn()
        share = trajectories.eased((seconds - rng.uniform(seconds[1], seconds[-2])) / rng.uniform(0.05, 0.4))
    of, to = (1 - share)[:, None], share[:, None]
    frames = np.uint8(of[..., None] * crop + to[..., None] * other[0] + 0.5)
    pictures = rendering.filmed(frames, seconds, rng, settings.augmentation)
    said = of * labels + to * other[1]
    return Film(pictures, gaps, said[:, 0], said[:, 1], said[:, 2:10], said[:, 10:], yes, ~yes)


def first_looks(model: SmileVa, stills: list[tuple[Faces, float]], settings: TrainingSettings) -> Bank:
    """Every photograph once, as a film of one frame: what a face says that was never seen before. Some show no face."""
    embedded, faces, size, rng = [], [], 256, np.random.default_rng((settings.seed, 13))
    device = next(model.parameters()).device
    crops = np.concatenate([faces.crops for faces, _ in stills])
    nothing = rng.random(len(crops)) < NO_FACE / 2
    for i in np.flatnonzero(nothing):
        crops[i] = no_face(rng, crops[i])
    for start in tqdm(range(0, len(crops), size), 'first looks', unit='batch', mininterval=5.0):
        generator = torch.Generator(device).manual_seed(settings.seed * 1_000_003 + start)
        pictures = torch.from_numpy(crops[start : start + size]).to(device).float()
        pictures, unclear = degraded(augmented(pictures, generator, settings.augmentation), settings.unclear, generator)
        embedded.append(embeddings(model, pictures))
        faces.append(~unclear.cpu())
    face = torch.cat(faces) & ~torch.from_numpy(nothing)
    columns = [np.concatenate([getattr(f, k) for f, _ in stills]) for k in ('share', 'strength', 'votes', 'affect')]
    share, strength, votes, affect = (torch.from_numpy(np.float32(part))[:, None] for part in columns)
    for part in (share, strength, votes, affect):
        part[~face] = float('nan')
    count = len(crops)
    gaps = torch.full((count, 1), USUAL_GAP_S)
    embedding, ungraded = torch.cat(embedded)[:, None].clone(), torch.zeros(count, 1).bool()
    return Bank(embedding, gaps, share, strength, votes, affect, face[:, None], ungraded)


def banks(model: SmileVa, sets: Sets, settings: TrainingSettings) -> tuple[Bank, Bank, Bank]:
    """The graded films, the still films and the first looks of the training split."""
    stills, morphs = stills_of(sets, settings), sets['Morphs']['train']
    return (
        bank(model, partial(graded_film, morphs, settings=settings), settings.graded_films, 'graded', settings.workers),
        bank(model, partial(still_film, stills, settings=settings), settings.still_films, 'stills', settings.workers),
        first_looks(model, stills, settings),
    )


def bank(model: SmileVa, make: Callable[[int], Film], count: int, label: str = '', workers: int = 1) -> Bank:
    """Films 0 to count − 1, drawn by several processes, with the embeddings that `model` gives their frames."""
    films = []
    for made in tqdm(in_processes(make, count, workers), label, count, unit='film', mininterval=5.0):
        films.append([embeddings(model, made.pictures), *_numbers(made)])
    return Bank(*(torch.stack([film[k] for film in films]) for k in range(len(films[0]))))


@torch.inference_mode()
def embeddings(model: SmileVa, pictures: Tensor | np.ndarray) -> Tensor:
    """(T, E) of grey pictures (T, S, S) in 0..255."""
    device = next(model.parameters()).device
    x = model.normalise(torch.as_tensor(pictures).to(device).float()).contiguous(memory_format=torch.channels_last)
    return model.features(x).float().cpu().clone()


def _numbers(made: Film) -> Iterator[Tensor]:
    for field in fields(Film)[1:]:
        yield torch.from_numpy(
            np.asarray(getattr(made, field.name), bool if field.name in ('face', 'graded') else np.float32)
        )
