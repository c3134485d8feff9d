"""The first network: a compact grey residual CNN at 64×64 that reads smile intensity from one picture of one face.

Our own design, of the plainest kind: a 5×5 stem, four stages of residual blocks, average pooling, one score. It has no
memory; a recurrent model can take `features` and bring its own head.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.models.layers import ConvBn, ResidualBlock, SmileHead, SmileOutput

SIDE = 64  # px, side of the picture that the network sees
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what JPEG and OpenCV use


class FirstModel(nn.Module):
    """Faces to smiles. Every model in MODELS has `settings`, `preprocess`, `features`, `head`, `forward` and `fold`.

    channels and blocks give the width and the number of residual blocks of each stage; each stage after the first
    halves the resolution.
    """

    def __init__(self, channels: Sequence[int] = (24, 64, 128, 192), blocks: Sequence[int] = (1, 2, 2, 2)):
        super().__init__()
        self.settings = {'channels': list(channels), 'blocks': list(blocks)}
        self.stem = ConvBn(1, channels[0], kernel=5, stride=2)
        stages, width = [], channels[0]
        for stage, (outputs, count) in enumerate(zip(channels, blocks, strict=True)):
            for block in range(count):
                stages.append(ResidualBlock(width, outputs, stride=2 if stage and not block else 1))
                width = outputs
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(0.2)
        self.head = SmileHead(width)
        self.embedding_size = width

    @staticmethod
    def preprocess(crops: Tensor) -> Tensor:
        """uint8 RGB crops (N, S, S, 3) of any side S to network input (N, 1, 64, 64) float32."""
        return FirstModel.normalise(crops.float() @ crops.new_tensor(LUMA, dtype=torch.float32))

    @staticmethod
    def normalise(grey: Tensor) -> Tensor:
        """Grey pictures (N, S, S) in 0..255, float, to (N, 1, 64, 64) with mean 0 and about unit variance each.

        Shrinking averages (antialias), so that a large and a small crop of one face look alike. Normalising each
        picture takes the exposure out; the constant keeps a flat picture from becoming loud noise.
        """
        x = functional.interpolate(grey[:, None], (SIDE, SIDE), mode='bilinear', antialias=True, align_corners=False)
        mean = x.mean((2, 3), keepdim=True)
        deviation = (x - mean).square().mean((2, 3), keepdim=True).sqrt()
        return (x - mean) / (deviation + 8.0)

    def features(self, x: Tensor) -> Tensor:
        """Input (N, 1, 64, 64) to one embedding per face (N, embedding_size)."""
        x = functional.relu(self.stem(x))  # (N, 24, 32, 32)
        return self.stages(x).mean((2, 3))  # (N, 192, 4, 4) -> (N, 192)

    def forward(self, x: Tensor) -> SmileOutput:
        """Input (N, 1, 64, 64), as `preprocess` makes it, to the smiles of N faces."""
        return self.head(self.dropout(self.features(x)))

    def levels_of(self, intensity: Tensor) -> Tensor:
        """(N, 4) probabilities of the levels of intensities (N,) that were changed after reading."""
        return self.head.levels_of(torch.logit(intensity.clamp(1e-4, 1 - 1e-4)))

    def fold(self) -> FirstModel:
        """Merge every batch normalisation into its convolution (same output, faster); for inference only."""
        self.eval()
        for module in list(self.modules()):
            if isinstance(module, ConvBn):
                module.fold()
        return self
