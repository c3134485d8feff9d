"""Calibration of a recurrent network on validation: presence, level knots and slope, confidence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from affect_perception.evaluation.metrics.agreement import confusion_table
from affect_perception.models.smile_va import SmileVa
from affect_perception.training.data.batches import stills_of
from affect_perception.training.data.face_sets import Sets
from affect_perception.training.data.prepared_sets import LevelClip
from affect_perception.training.losses import is_right
from affect_perception.training.scoring.confidence_fit import fit_confidence
from affect_perception.training.scoring.temporal_probe import Answers, Probe, read_films
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic import trajectories
from affect_perception.training.synthetic.sequences import Bank, bank, embeddings, graded_film, still_film
from affect_perception.types import LEVEL_BOUNDS

LEAST_BAND = 0.06  # raw intensity from the beginning of one level to that of the next
PLATEAU = 0.001  # knots whose quality is so close to the best: their mean, for the peak of a grid is partly chance
CONFIDENCE_FILMS = 120  # of each kind, as bad as in training, of people and pictures of the split


def fitted_line(x: Tensor, target: Tensor) -> tuple[float, float]:
    """Slope above 0 and bias with the least cross entropy of sigmoid(slope · x + bias) with the target (Platt 1999)."""
    log_slope, bias = torch.zeros((), requires_grad=True), torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([log_slope, bias], max_iter=100, line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(log_slope.exp() * x + bias, target)
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(log_slope.detach().exp()), float(bias.detach())


def calibrate(
    model: SmileVa, probe: Probe, sets: Sets, settings: TrainingSettings, clips: Sequence[LevelClip] = ()
) -> dict[str, float]:
    """Fit, on validation, what turns read-outs into probabilities, and put it into `model`; returns it.

    Presence: votes of FER+ and LFW, as many of each. Knots of the intensity: FER+, LFW and London's films by votes and
    teacher, and `clips` by the levels people judged. The slope of the levels: the same
    without the clips. The confidence: `confidence_fit.py`, on training pictures.
    """
    said, head = probe.ask(model), model.head
    stills = [(said.stills[name].smiling, probe.faces[name].share) for name in ('FER+', 'LFW')]
    count = min(len(smiling) for smiling, _ in stills)
    smiling, share = (np.concatenate([part[:count] for part in parts]) for parts in zip(*stills, strict=True))
    logit = torch.logit(torch.from_numpy(smiling).clamp(1e-6, 1 - 1e-6))
    slope, bias = fitted_line(logit, torch.from_numpy(share))
    rescale(model, 0, slope, bias)
    head.knots.copy_(torch.tensor(LEVEL_BOUNDS))
    head.level_slope.fill_(1.0)
    parts = [(read, trajectories.level_of(w)) for read, w in levelled_readings(probe.ask(model), probe)]
    knots = fitted_knots(parts, judged_readings(model, clips))
    head.knots.copy_(torch.tensor(knots))
    intensity, wanted = drawn_evenly(levelled_readings(probe.ask(model), probe))
    level = torch.from_numpy(trajectories.level_of(wanted))
    with torch.no_grad():
        levels = model.levels_of(torch.from_numpy(intensity).to(head.knots.device)).cpu()
    level_slope = best_level_slope(levels.log(), level)
    head.level_slope.fill_(level_slope)
    fit_confidence(model, sets, settings)
    names = ('presence_slope', 'presence_bias', 'knot_low', 'knot_medium', 'knot_high', 'level_slope')
    return dict(zip(names, (slope, bias, *knots, level_slope), strict=True))


@torch.no_grad()
def rescale(model: SmileVa, place: int, slope: float, bias: float) -> None:
    """Replace read-out number `place` by slope · itself + bias, in the head and in the recurrent layers' correction."""
    for linear, shift in ((model.head.linear, bias), (model.temporal_head, 0.0)):
        linear.weight[place].mul_(slope)
        linear.bias[place].mul_(slope).add_(shift)


def levelled_readings(said: Answers, probe: Probe) -> list[tuple[np.ndarray, np.ndarray]]:
    """Intensities that were read and wanted ones of FER+ and LFW stills and of London's sequences."""
    parts = []
    for name in ('FER+', 'LFW'):
        wanted = probe.faces[name].intensity
        known = ~np.isnan(wanted)
        parts.append((said.stills[name].intensity[known], wanted[known]))
    return [*parts, (said.smiles.intensity.ravel(), said.smiles.wanted.ravel())]


def drawn_evenly(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """As many rows of each part, at random, in one: readings and wanted values (N,) float32."""
    rng, size = np.random.default_rng(5), min(len(wanted) for _, wanted in parts)
    rows = [rng.permutation(len(wanted))[:size] for _, wanted in parts]
    columns = zip(*((read[i], wanted[i]) for (read, wanted), i in zip(parts, rows, strict=True)), strict=True)
    read, wanted = (np.float32(np.concatenate(column)) for column in columns)
    return read, wanted


@torch.no_grad()
def judged_readings(model: SmileVa, clips: Sequence[LevelClip]) -> tuple[np.ndarray, np.ndarray] | None:
    """Intensities read from the frames of `clips` and their judged levels (N,); None without clips."""
    if not clips:
        return None
    read, level = [], []
    for clip in clips:
        output = read_films(model, embeddings(model, clip.crops)[None], torch.from_numpy(clip.gaps_s)[None])
        known = ~np.isnan(clip.level)
        read.append(output.intensity[0].numpy()[known])
        level.append(clip.level[known].astype(int))
    return np.concatenate(read), np.concatenate(level)


def fitted_knots(
    parts: list[tuple[np.ndarray, np.ndarray]], judged: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[float, float, float]:
    """Raw intensities at which levels begin: of a grid, the three with the best mean macro F1 over the parts
    (readings (N,), true levels (N,)), averaged over the best PLATEAU; `judged` counts as much as all parts together."""
    low, medium, high = np.arange(0.08, 0.36, 0.02), np.arange(0.2, 0.62, 0.02), np.arange(0.5, 0.88, 0.02)
    tried = [(float(a), float(b), float(c)) for a in low for b in medium for c in high if b - a > LEAST_BAND < c - b]

    def f1(knots: tuple[float, float, float], part: tuple[np.ndarray, np.ndarray]) -> float:
        read, level = part
        counts = confusion_table(level.astype(float), np.digitize(read, knots, right=True).astype(float), 4)
        found, right = counts.sum(0) + counts.sum(1), 2 * np.diag(counts)
        return float(np.mean(right[found > 0] / found[found > 0]))

    def quality(knots: tuple[float, float, float]) -> float:
        mean = float(np.mean([f1(knots, part) for part in parts]))
        return mean if judged is None else mean + f1(knots, judged)

    reached = np.array([quality(knots) for knots in tried])
    low_knot, medium_knot, high_knot = np.array(tried)[reached >= reached.max() - PLATEAU].mean(0).round(4).tolist()
    return low_knot, medium_knot, high_knot


def best_level_slope(log_probability: Tensor, level: Tensor) -> float:
    """The exponent of probabilities (N, 4), of a grid from 0.1 to 5, that makes the true levels (N,) likeliest."""

    def surprise(slope: float) -> float:
        return float(functional.cross_entropy(slope * log_probability, level))

    return min(np.geomspace(0.1, 5, 60).tolist(), key=surprise)


def confidence_films(model: SmileVa, sets: Sets, settings: TrainingSettings, split: str) -> list[Bank]:
    """Films of people and pictures of `split`, through as bad a camera as in training."""
    other = settings.changed(seed=settings.seed + 1)
    stills, morphs = stills_of(sets, settings, split), sets['Morphs'][split]
    graded, still = partial(graded_film, morphs, settings=other), partial(still_film, stills, settings=other)
    return [
        bank(model, graded, CONFIDENCE_FILMS, '', settings.workers),
        bank(model, still, 4 * CONFIDENCE_FILMS, '', settings.workers),
    ]


@torch.no_grad()
def confidence_of(model: SmileVa, films: list[Bank], tolerance: float) -> tuple[Tensor, Tensor]:
    """Logits of the confidence of every frame, and whether the reading was right (1.0 or 0.0)."""
    logits, rights = [], []
    for kind in films:
        output = read_films(model, kind.embeddings, kind.gaps_s)
        right = is_right(output, kind.share, kind.strength, tolerance) & kind.face
        logits.append(output.confidence.flatten())
        rights.append(right.float().flatten())
    return torch.cat(logits), torch.cat(rights)
