"""Building blocks that several networks share: convolutions with batch normalisation, ordinal levels, smile head."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.types import LEVEL_BOUNDS

# Steep enough for the most probable level to be the one in which the intensity lies, but for a sliver at each bound.
LEVEL_SLOPE = 2.0


class SmileOutput(NamedTuple):
    """Output of a smile head for N faces; all of it follows from one score per face and so is consistent."""

    score: Tensor  # (N,) any real number, higher is a stronger smile
    intensity: Tensor  # (N,) in [0, 1], sigmoid of the score
    above: Tensor  # (N, 3) logits of "the level is at least 1, 2, 3"; never increasing along a row
    levels: Tensor  # (N, 4) probabilities of the four smile levels; a row sums to 1


def thresholds() -> Tensor:
    """Scores (3,) at which the intensity crosses LEVEL_BOUNDS."""
    return torch.logit(torch.tensor(LEVEL_BOUNDS))


def ordinal_levels(above: Tensor) -> Tensor:
    """Level probabilities (..., 4) from the logits (..., 3) of reaching levels 1, 2, 3."""
    reached = torch.sigmoid(above)
    ends = reached[..., :1]
    steps = torch.cat([torch.ones_like(ends), reached, torch.zeros_like(ends)], dim=-1)
    return steps[..., :-1] - steps[..., 1:]


class ConvBn(nn.Module):
    """Convolution and batch normalisation, merged into one convolution by `fold` after training."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn: nn.BatchNorm2d | nn.Identity = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to feature maps (N, inputs, H, W); returns (N, outputs, H / stride, W / stride)."""
        normalised: Tensor = self.bn(self.conv(x))
        return normalised

    def fold(self) -> None:
        """Merge the normalisation into the convolution; does nothing when merged already."""
        if isinstance(self.bn, nn.BatchNorm2d):
            self.conv = torch.nn.utils.fusion.fuse_conv_bn_eval(self.conv, self.bn)
            self.bn = nn.Identity()


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2016) that averages where stride is 2 (He et al. 2019)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvBn(inputs, outputs, stride=stride)
        self.second = ConvBn(outputs, outputs)
        self.shrink = nn.AvgPool2d(2) if stride == 2 else nn.Identity()
        self.shortcut = ConvBn(inputs, outputs, kernel=1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Apply to feature maps (N, inputs, H, W); returns (N, outputs, H / stride, W / stride)."""
        change = self.second(functional.relu(self.first(x)))
        return functional.relu(change + self.shortcut(self.shrink(x)))


class SmileHead(nn.Module):
    """One score from an embedding, and from the score the intensity and the four ordinal levels.

    The levels are cumulative logits with one slope (proportional odds, McCullagh 1980; CORAL, Cao et al. 2020):
    P(level ≥ k) = sigmoid(LEVEL_SLOPE · (score − logit(bound_k))). The thresholds lie where the intensity crosses
    LEVEL_BOUNDS instead of being learnt: votes are mostly all or nothing, so learnt thresholds move together until the
    two middle levels are never the most probable ones (measured on FER+: never once in 3,500 pictures).
    """

    thresholds: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 1)
        self.register_buffer('thresholds', thresholds(), persistent=False)

    def forward(self, embedding: Tensor) -> SmileOutput:
        """Read embeddings (N, E)."""
        score = self.linear(embedding).squeeze(1)
        above = LEVEL_SLOPE * (score[:, None] - self.thresholds)
        return SmileOutput(score, torch.sigmoid(score), above, ordinal_levels(above))

    def levels_of(self, score: Tensor) -> Tensor:
        """Level probabilities (N, 4) at scores (N,)."""
        return ordinal_levels(LEVEL_SLOPE * (score[:, None] - self.thresholds))

    @torch.no_grad()
    def rescale(self, slope: float, bias: float) -> None:
        """Replace the score by slope · score + bias (slope > 0); intensity and levels follow."""
        self.linear.weight.mul_(slope)
        self.linear.bias.mul_(slope).add_(bias)
