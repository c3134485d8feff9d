"""What training minimises. Every loss is the mean over the pictures it concerns."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from affect_perception.models.layers import SmileOutput
from affect_perception.training.settings import TrainingSettings


def smile_loss(output: SmileOutput, share: Tensor, above: Tensor, pairs: Tensor, settings: TrainingSettings) -> Tensor:
    """The loss of a batch: share (N,) and above (N, 3) are targets, pairs (P, 2) indices (neutral, smiling)."""
    intensity = functional.binary_cross_entropy_with_logits(output.score, share)
    ordinal = functional.binary_cross_entropy_with_logits(output.above, above)
    ranking = ranking_loss(output.score[pairs[:, 0]], output.score[pairs[:, 1]], settings.ranking_margin)
    return intensity + settings.ordinal_weight * ordinal + settings.ranking_weight * ranking


def ranking_loss(lower: Tensor, higher: Tensor, margin: float) -> Tensor:
    """log(1 + exp(margin − (higher − lower))), small when `higher` wins by more than the margin (RankNet, 2005)."""
    return functional.softplus(margin - (higher - lower)).mean() if len(lower) else torch.zeros(())
