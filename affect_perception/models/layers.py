"""Building blocks that several networks share: convolutions with batch normalisation, ordinal levels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.types import LEVEL_BOUNDS

# Steep enough for the most probable level to be the one in which the intensity lies, but for a sliver at each bound.
LEVEL_SLOPE = 2.0


def thresholds() -> Tensor:
    """Scores (3,) at which the intensity crosses LEVEL_BOUNDS.

    Fixed instead of learnt: votes are mostly all or nothing, so learnt thresholds move together until the two middle
    levels are never the most probable ones (measured on FER+: never once in 3,500 pictures).
    """
    # On the CPU even where a network is made without memory: arithmetic on `meta` imports torch._dynamo (2 s).
    return torch.logit(torch.tensor(LEVEL_BOUNDS, device='cpu'))


def ordinal_levels(above: Tensor) -> Tensor:
    """Level probabilities (..., 4) from the logits (..., 3) of reaching levels 1, 2, 3.

    Cumulative logits with one slope (proportional odds, McCullagh 1980; CORAL, Cao et al. 2020).
    """
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
