"""Losses of training. Each is the mean over the pictures it concerns."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from affect_perception.models.smile_va import FLOOR, AffectOutput
from affect_perception.training.data.batches import Batch
from affect_perception.training.settings import TrainingSettings

MOST_LOGIT = 6.0  # presence and strength beyond ±this cost: nothing saturates
SMILES = 0.3  # share of people who name a smile, above which its strength counts


def batch_loss(output: AffectOutput, batch: Batch, settings: TrainingSettings) -> Tensor:
    """The loss of a batch of pictures; the teacher's coefficients are not among it (`train.train_step`)."""
    clear = batch.face
    loss = smile_loss(output, batch.share, batch.strength, clear, settings)
    loss = loss + settings.ranking_weight * ranking_loss(output.strength, batch.share, batch.strength, clear)
    loss = loss + settings.expression_weight * expression_loss(output.expression, batch.votes, clear)
    loss = loss + settings.affect_weight * affect_loss(output.affect, batch.affect, clear)
    right = is_right(output, batch.share, batch.strength, settings.tolerance) & clear
    known = ~batch.share.isnan() | ~clear
    confidence = functional.binary_cross_entropy_with_logits(output.confidence, right.float(), reduction='none')
    return loss + 0.3 * mean_of(confidence, known)


def mean_of(values: Tensor, which: Tensor) -> Tensor:
    """Mean of the values at the True places of `which`; 0 where there is none."""
    return torch.where(which, values, 0).sum() / which.sum().clamp(1)


def wanted_intensity(share: Tensor, strength: Tensor) -> Tensor:
    """Absolute intensity of presence and graded strength, as models.smile_va has it."""
    return share * (FLOOR + (1 - FLOOR) * strength)


def smile_loss(
    output: AffectOutput, share: Tensor, strength: Tensor, clear: Tensor, settings: TrainingSettings
) -> Tensor:
    """Loss of presence (votes), strength (teacher, weighted with presence) and intensity, and a cost of saturation.

    Targets may have any shape; those that are NaN or not `clear` do not count.
    """
    voted, graded = clear & ~share.isnan(), clear & ~strength.isnan()
    p, s = share.nan_to_num(0.0), strength.nan_to_num(0.0)
    presence = functional.binary_cross_entropy_with_logits(output.smiling, p, reduction='none')
    weight = torch.where(share.isnan(), 0.0, p) * (p > SMILES) * graded
    said = torch.sigmoid(output.strength)
    grading = functional.binary_cross_entropy_with_logits(output.strength, s, reduction='none')
    grading = grading + 2 * (said - s).square()
    wanted = wanted_intensity(p, s)
    error = (output.intensity - wanted).abs() + 2 * (output.intensity - wanted).square()
    beyond = (output.smiling.abs() - MOST_LOGIT).relu().square() + (output.strength.abs() - MOST_LOGIT).relu().square()
    return (
        mean_of(presence, voted)
        + settings.strength_weight * (weight * grading).sum() / weight.sum().clamp(1)
        + settings.intensity_weight * mean_of(error, voted & graded)
        + settings.saturation_weight * mean_of(beyond, clear)
    )


def ranking_loss(logit: Tensor, share: Tensor, strength: Tensor, clear: Tensor, apart: float = 0.05) -> Tensor:
    """Logistic loss of the order of every two smiling faces of a batch, of any persons, by the teacher's strength.

    logit, share, strength (N,); pairs whose strengths lie less than `apart` from each other do not count.
    """
    smiling = torch.nonzero(clear & (share > 0.5) & ~strength.isnan()).squeeze(1)
    score, wanted = logit[smiling], strength[smiling]
    difference = wanted[:, None] - wanted[None]
    pairs = difference > apart
    short = functional.softplus(-(score[:, None] - score[None]) / 0.5) * difference.clamp(0, 0.5)
    return mean_of(short, pairs) * 2


def expression_loss(logits: Tensor, votes: Tensor, clear: Tensor | None = None) -> Tensor:
    """Cross entropy of (..., 8) logits with shares of votes, over the rows that have votes (Barsoum et al. 2016)."""
    known = ~votes.isnan().any(-1)
    known = known if clear is None else known & clear
    surprise = -(votes.nan_to_num(0.0) * functional.log_softmax(logits, -1)).sum(-1)
    return mean_of(surprise, known)


def affect_loss(said: Tensor, wanted: Tensor, clear: Tensor | None = None) -> Tensor:
    """Squared error and 1 − CCC (Lin 1989) of valence and arousal (..., 2), half each, over rows that have them."""
    known = ~wanted.isnan().any(-1)
    known = known if clear is None else known & clear
    if known.sum() < 2:
        return said.sum() * 0
    said, wanted = said[known], wanted[known]
    squared = (said - wanted).square().mean(0)
    spread = said.var(0, unbiased=False) + wanted.var(0, unbiased=False) + (said.mean(0) - wanted.mean(0)).square()
    return (squared + 0.5 * squared / spread.clamp(1e-4)).mean()  # squared / spread = 1 − CCC


def coefficients_loss(logits: Tensor, wanted: Tensor, clear: Tensor) -> Tensor:
    """Divergence of sigmoid(logits) (N, 52) from the teacher's coefficients, over the rows that have them."""
    known = ~wanted.isnan().any(-1) & clear
    target = wanted.nan_to_num(0.0).clamp(0, 1)
    surprise = functional.binary_cross_entropy_with_logits(logits, target, reduction='none')
    least = functional.binary_cross_entropy(target, target, reduction='none')
    return mean_of((surprise - least).mean(-1), known) * 10


def is_right(output: AffectOutput, share: Tensor, strength: Tensor, tolerance: float) -> Tensor:
    """(...) bool: presence, and the intensity where the strength is known, were read to within `tolerance`."""
    presence = (torch.sigmoid(output.smiling.detach()) - share).abs() <= tolerance
    wrong = (output.intensity.detach() - wanted_intensity(share, strength)).abs() > tolerance
    return presence & ~wrong  # NaN compares as wrong presence and as right intensity
