"""What training minimises. Every loss is the mean over the pictures it concerns."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from affect_perception.models.layers import SmileOutput
from affect_perception.training.batches import Batch
from affect_perception.training.settings import TrainingSettings


def smile_loss(output: SmileOutput, batch: Batch, settings: TrainingSettings) -> Tensor:
    """The loss of a batch: of its stills the intensity and the levels, of its morphs the intensity and the order."""
    stills, views = len(batch.share), batch.fraction.shape
    score, morphs = output.score[:stills], output.score[stills:].reshape(views[0], -1)
    intensity = functional.binary_cross_entropy_with_logits(score, batch.share)
    ordinal = functional.binary_cross_entropy_with_logits(output.above[:stills], batch.above)
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
