"""The films that the recurrent part learns from, as embeddings of its CNN, which does not change any more.

A film is a function of (seed, number). London persons play smile courses with exact fractions; photographs are held,
and sometimes cut to another one, so that expressions change too; a few films show no face at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from affect_perception.models.smile_va import USUAL_GAP_S
from affect_perception.training.data.augmentation import augmented
from affect_perception.training.data.face_sets import Faces, Sets
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic import rendering, trajectories
from affect_perception.training.synthetic.morphs import Morphs

CUTS = 0.35  # share of the photograph films in which another photograph follows
NO_FACE = 0.12  # share of the photograph films, and of the first looks, that show no face
SPEECH = 0.4  # share of the London films in which the person talks


@dataclass(frozen=True, eq=False)
class Film:
    """T frames, and what is true of each; NaN where nobody knows."""

    pictures: Tensor  # (T, S, S) float in 0..255
    gaps_s: np.ndarray  # (T,) seconds since the frame before
    fraction: np.ndarray  # (T,) of the way from neutral to the full smile
    votes: np.ndarray  # (T, 8) shares of EXPRESSIONS
    affect: np.ndarray  # (T, 2) valence and arousal
    face: np.ndarray  # (T,) bool: a face is shown


@dataclass(frozen=True, eq=False)
class Bank:
    """M films of one length as tensors; `embeddings` (M, T, E), the rest as in Film with M in front."""

    embeddings: Tensor
    gaps_s: Tensor
    fraction: Tensor
    votes: Tensor
    affect: Tensor
    face: Tensor

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, index) -> Bank:
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
    return Film(pictures, gaps, fraction, unknown[:, :8], unknown[:, 8:], np.ones(count, bool))


def still_film(stills: list[tuple[Faces, float]], number: int, settings: TrainingSettings) -> Film:
    """A photograph of one of the sets, drawn by their weights; or two, or none that shows a face."""
    rng, count = np.random.default_rng((settings.seed, 12, number)), settings.still_frames
    weights = np.array([weight for _, weight in stills])

    def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        faces = stills[rng.choice(len(stills), p=weights / weights.sum())][0]
        i = rng.integers(len(faces))
        return faces.crops[i], faces.votes[i], faces.affect[i]

    gaps = trajectories.frame_gaps(rng, count)
    seconds = np.cumsum(gaps)
    crop, votes, affect = drawn()
    kind = rng.random()
    if kind < NO_FACE:
        nothing = np.full((count, 10), np.nan)
        frames = np.repeat(rendering.scrambled(rng, crop)[None], count, 0)
        pictures = rendering.filmed(frames, seconds, rng, settings.augmentation)
        return Film(pictures, gaps, nothing[:, 0], nothing[:, :8], nothing[:, 8:], np.zeros(count, bool))
    share = np.zeros(count)
    other = crop, votes, affect
    if kind < NO_FACE + CUTS:
        other = drawn()
        share = trajectories.eased((seconds - rng.uniform(seconds[1], seconds[-2])) / rng.uniform(0.05, 0.4))
    of, to = (1 - share)[:, None], share[:, None]
    frames = np.uint8(of[..., None] * crop + to[..., None] * other[0] + 0.5)
    pictures = rendering.filmed(frames, seconds, rng, settings.augmentation)
    unknown, faces = np.full(count, np.nan), np.ones(count, bool)
    return Film(pictures, gaps, unknown, of * votes + to * other[1], of * affect + to * other[2], faces)


def still_sets(sets: Sets, settings: TrainingSettings, split: str = 'train') -> list[tuple[Faces, float]]:
    """The sets of photographs that training may use, each with its weight in a batch."""
    wanted = {
        'FER+': settings.ferplus_batch,
        'LFW': settings.lfw_batch,
        'DiffusionFER': 2 * settings.diffusionfer_batch,  # the only one with valence and arousal of its own
    }
    return [(sets[name][split], float(weight)) for name, weight in wanted.items() if weight]


def first_looks(model: nn.Module, stills: list[tuple[Faces, float]], settings: TrainingSettings) -> Bank:
    """Every photograph once, as a film of one frame: what a face says that was never seen before. Some show no face."""
    embedded, size, rng = [], 128, np.random.default_rng((settings.seed, 13))
    crops = np.concatenate([faces.crops for faces, _ in stills])
    face = rng.random(len(crops)) >= NO_FACE
    for i in np.flatnonzero(~face):
        crops[i] = rendering.scrambled(rng, crops[i])
    for start in tqdm(range(0, len(crops), size), 'first looks', unit='batch', mininterval=5.0):
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + start)
        pictures = augmented(torch.from_numpy(crops[start : start + size]).float(), generator, settings.augmentation)
        embedded.append(embeddings(model, pictures))
    votes, affect = (np.concatenate([getattr(f, k) for f, _ in stills]) for k in ('votes', 'affect'))
    votes, affect = (torch.from_numpy(np.where(face[:, None], part, np.nan)) for part in (votes, affect))
    count = len(crops)
    return Bank(
        torch.cat(embedded)[:, None].clone(),
        torch.full((count, 1), USUAL_GAP_S),
        torch.full((count, 1), float('nan')),
        votes.float()[:, None],
        affect.float()[:, None],
        torch.from_numpy(face)[:, None],
    )


def banks(model: nn.Module, sets: Sets, settings: TrainingSettings) -> tuple[Bank, Bank, Bank]:
    """The graded films, the still films and the first looks of the training split."""
    stills, morphs = still_sets(sets, settings), sets['Morphs']['train']
    return (
        bank(model, lambda n: graded_film(morphs, n, settings), settings.graded_films, 'films of smiles'),
        bank(model, lambda n: still_film(stills, n, settings), settings.still_films, 'films of stills'),
        first_looks(model, stills, settings),
    )


def bank(model: nn.Module, make: Callable[[int], Film], count: int, label: str = '') -> Bank:
    """Films 0 to count − 1 with the embeddings that `model` gives their frames."""
    films = []
    for made in tqdm((make(number) for number in range(count)), label, count, unit='film', mininterval=5.0):
        films.append([embeddings(model, made.pictures), *_numbers(made)])
    return Bank(*(torch.stack([film[k] for film in films]) for k in range(len(films[0]))))


@torch.inference_mode()
def embeddings(model: nn.Module, pictures: Tensor) -> Tensor:
    """(T, E) of grey pictures (T, S, S) in 0..255."""
    device = next(model.parameters()).device
    x = model.normalise(pictures.to(device)).contiguous(memory_format=torch.channels_last)
    return model.features(x).float().cpu().clone()


def _numbers(made: Film) -> Iterator[Tensor]:
    for field in fields(Film)[1:]:
        yield torch.from_numpy(np.asarray(getattr(made, field.name), bool if field.name == 'face' else np.float32))
