"""What training minimises. Every loss is the mean over the pictures it concerns."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from affect_perception.models.layers import SmileOutput
from affect_perception.models.smile_va import AffectOutput
from affect_perception.training.data.batches import Batch
from affect_perception.training.settings import TrainingSettings


def batch_loss(output: SmileOutput | AffectOutput, batch: Batch, settings: TrainingSettings) -> Tensor:
    """The loss of a batch: smile_loss, and what stills say of expression, valence and arousal where that is read."""
    loss = smile_loss(output, batch, settings)
    if isinstance(output, AffectOutput):
        stills = len(batch.share)
        loss = loss + settings.expression_weight * expression_loss(output.expression[:stills], batch.votes)
        loss = loss + settings.affect_weight * affect_loss(output.affect[:stills], batch.affect)
    return loss


def expression_loss(logits: Tensor, votes: Tensor) -> Tensor:
    """Cross entropy of (N, 8) logits with shares of votes, over the rows that have votes (Barsoum et al. 2016)."""
    known = ~votes.isnan().any(-1)
    return -(votes[known] * functional.log_softmax(logits[known], -1)).sum(-1).sum() / known.sum().clamp(1)


def affect_loss(said: Tensor, wanted: Tensor) -> Tensor:
    """Squared error and 1 − CCC (Lin 1989) of valence and arousal (N, 2), half each, over rows that have them."""
    known = ~wanted.isnan().any(-1)
    if known.sum() < 2:
        return said.sum() * 0
    said, wanted = said[known], wanted[known]
    squared = (said - wanted).square().mean(0)
    spread = said.var(0, unbiased=False) + wanted.var(0, unbiased=False) + (said.mean(0) - wanted.mean(0)).square()
    return (squared + 0.5 * squared / spread.clamp(1e-4)).mean()  # squared / spread = 1 − CCC


def smile_loss(output: SmileOutput | AffectOutput, batch: Batch, settings: TrainingSettings) -> Tensor:
    """Of the stills the votes for happiness and the levels, of the morphs the intensity and the order."""
    stills, views = len(batch.share), batch.fraction.shape
    score, morphs = output.score[:stills], output.score[stills:].reshape(views[0], -1)
    if isinstance(output, AffectOutput):  # votes say nothing of its levels, which are parts of the way
        votes, ordinal = output.smiling[:stills], 0.0
    else:
        votes = score
        ordinal = functional.binary_cross_entropy_with_logits(output.above[:stills], batch.above)
    intensity = functional.binary_cross_entropy_with_logits(votes, batch.share)
    graded = band_loss(morphs, batch.lowest, batch.highest)
    ranking = ranking_loss(morphs[:, : views[1]], batch.fraction, settings.ranking_margin)
    return (
        intensity
        + settings.ordinal_weight * ordinal
        + settings.morph_weight * graded
        + settings.ranking_weight * ranking
    )


def band_loss(score: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
    """Divergence of the intensity from the nearest one that is believable: nothing from `lowest` to `highest`."""
    intensity = torch.sigmoid(score.detach())
    target = torch.minimum(torch.maximum(intensity, lowest), highest).clamp(1e-4, 1 - 1e-4)
    least = functional.binary_cross_entropy(target, target)
    return functional.binary_cross_entropy_with_logits(score, target) - least


def ranking_loss(score: Tensor, fraction: Tensor, margin: float) -> Tensor:
    """How far each pair of a person's pictures, (P, V) with fractions ascending, falls short of its distance in score.

    The distance is margin × the difference of the fractions. A hinge, because what pulls on after the order is right
    drives scores to their ends.
    """
    wanted = margin * (fraction[:, None, :] - fraction[:, :, None])  # (P, V, V), positive above the diagonal
    short = functional.relu(wanted - (score[:, None, :] - score[:, :, None]))
    above = torch.triu(torch.ones_like(short[0]), diagonal=1).bool()
    return short[:, above].mean()
