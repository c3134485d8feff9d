"""Compact residual CNN on grey faces of 64×64 px, the base of `smile_va`.

Our own design, of the plainest kind: a 5×5 stem, four stages of residual blocks, average pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.models.face_model import FaceModel
from affect_perception.models.layers import ConvBn, ResidualBlock

SIDE = 64  # px, side of the network input
LUMA = (0.299, 0.587, 0.114)  # grey from RGB: ITU-R BT.601, as in JPEG and OpenCV

Cnn = TypeVar('Cnn', bound='FaceCnn')


class FaceCnn(FaceModel):
    """Base class: preprocessing, CNN and folding; subclasses add `head`, `forward` and `levels_of`.

    `channels` and `blocks` give width and number of residual blocks of each stage; each stage after the first halves
    the resolution. E = channels[-1], 192 by default.
    """

    def __init__(self, channels: Sequence[int] = (24, 64, 128, 192), blocks: Sequence[int] = (1, 2, 2, 2)) -> None:
        super().__init__()
        self.settings = {'channels': list(channels), 'blocks': list(blocks)}
        self.stem = ConvBn(1, channels[0], kernel=5, stride=2)
        stages, width = [], channels[0]
        for stage, (outputs, count) in enumerate(zip(channels, blocks, strict=True)):
            for block in range(count):
                stages.append(ResidualBlock(width, outputs, stride=2 if stage and not block else 1))
                width = outputs
        self.stages = nn.Sequential(*stages)
        self.embedding_size = width

    @staticmethod
    def preprocess(crops: Tensor) -> Tensor:
        """Convert uint8 RGB crops (N, S, S, 3) of any side S to network input (N, 1, 64, 64) float32."""
        return FaceCnn.normalise(crops.float() @ crops.new_tensor(LUMA, dtype=torch.float32))

    @staticmethod
    def normalise(grey: Tensor) -> Tensor:
        """Resize and standardise grey crops (N, S, S), float in 0..255, to (N, 1, 64, 64), mean 0, deviation about 1.

        Antialiasing makes a large and a small crop of one face look alike. Standardising each crop removes the
        exposure; the constant 8 keeps the noise of a flat crop small.
        """
        x = functional.interpolate(grey[:, None], (SIDE, SIDE), mode='bilinear', antialias=True, align_corners=False)
        mean = x.mean((2, 3), keepdim=True)
        deviation = (x - mean).square().mean((2, 3), keepdim=True).sqrt()
        return (x - mean) / (deviation + 8.0)

    def features(self, x: Tensor) -> Tensor:
        """Run the CNN on network input (N, 1, 64, 64); returns one embedding per face (N, E)."""
        x = functional.relu(self.stem(x))  # (N, 24, 32, 32)
        maps: Tensor = self.stages(x)  # (N, 192, 4, 4)
        return maps.mean((2, 3))

    def fold(self: Cnn) -> Cnn:
        """Merge every batch normalisation into its convolution (same outputs, faster), for inference only."""
        self.eval()
        for module in list(self.modules()):
            if isinstance(module, ConvBn):
                module.fold()
        return self
