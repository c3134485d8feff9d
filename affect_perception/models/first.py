"""The first network: smile intensity from one picture of one face, without memory. `smile_va` has replaced it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from affect_perception.models.face_cnn import FaceCnn
from affect_perception.models.layers import SmileHead, SmileOutput


class FirstModel(FaceCnn):
    """`FaceCnn` with a smile head; `channels` and `blocks` as there."""

    def __init__(self, channels: Sequence[int] = (24, 64, 128, 192), blocks: Sequence[int] = (1, 2, 2, 2)) -> None:
        super().__init__(channels, blocks)
        self.dropout = nn.Dropout(0.2)
        self.head: SmileHead = SmileHead(self.embedding_size)

    def forward(self, x: Tensor) -> SmileOutput:
        """Read smiles from network input (N, 1, 64, 64), as `preprocess` makes it."""
        output: SmileOutput = self.head(self.dropout(self.features(x)))
        return output

    def levels_of(self, intensity: Tensor) -> Tensor:
        """Level probabilities (N, 4) of intensities (N,) that were changed after inference."""
        return self.head.levels_of(torch.logit(intensity.clamp(1e-4, 1 - 1e-4)))
