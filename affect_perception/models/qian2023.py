"""Qian et al. 2023, "Proposed Models for Estimating Emotional Reactions Intensity in the Wild": Tables 1 and 2, Fig. 3.

32 (or 16) evenly spaced frames of 224×224 → VGG-16 or ResNet-50 on each → LSTM of 512 → dense → intensities of seven
reactions. Audio-visual: an audio sequence → a parallel LSTM of 512 → dense; both dense outputs → multi-modal layer.
`VARIANTS` holds the four networks of Table 1 and that of Table 2 with their learning rates and chunk sizes.

Differences from the paper:
- Output: a sigmoid per reaction. The paper's softmax makes the seven intensities sum to 1, but the labels are seven
  independent ratings; `activation='softmax'` builds the printed one.
- VGG-16's embedding is its second fully connected layer (4096), ResNet-50's the pooled 2048: the paper names no layer.
- Width of the dense and multi-modal layers: 128; the paper gives none.
- Standardisation: channel means and deviations in buffers, ImageNet's until `set_statistics` stores the training set's.
- Audio features: any sequence of vectors; the paper names none for its LSTM (Hume-Reaction's baseline is DeepSpectrum).
- Live, a face's window is `window_s` long (a Hume-Reaction clip takes about 12 s) with one frame per slot of
  window_s / frames; the output changes once per slot and describes the window, not the moment.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from affect_perception.errors import ConfigError
from affect_perception.models.backbones.torchvision_nets import Backbone
from affect_perception.models.backbones.vgg_face import IMAGENET_MEAN, IMAGENET_STD
from affect_perception.models.backbones.weight_files import LoadReport
from affect_perception.models.blocks import clip_window
from affect_perception.models.blocks.objectives import mse
from affect_perception.models.clip_model import ClipModel
from affect_perception.models.sequence_model import (
    Batch,
    Inputs,
    Parts,
    SequenceOutput,
    last_hidden,
    mask_of,
    resized,
)

REACTIONS = ('adoration', 'amusement', 'anxiety', 'disgust', 'empathic_pain', 'fear', 'surprise')
BRIGHTNESS = (1.0, 1.5)  # range of the augmentation's factor
WINDOW_S = 12.0

# Rows of Tables 1 and 2: network, learning rate, chunk size (clips in memory), weights, mean ρ.
VARIANTS: dict[str, dict[str, Any]] = {
    'v1': {'backbone': 'vgg16', 'frames': 16, 'rate': 4e-4, 'chunk': 500, 'weights': 'ImageNet', 'rho': 0.3125},
    'v2': {'backbone': 'vgg16', 'frames': 32, 'rate': 4e-4, 'chunk': 1000, 'weights': 'ImageNet', 'rho': 0.3674},
    'v3': {'backbone': 'resnet50', 'frames': 32, 'rate': 1e-3, 'chunk': 1000, 'weights': 'VGGFace2', 'rho': 0.3840},
    'v4': {'backbone': 'resnet50', 'frames': 32, 'rate': 1e-3, 'chunk': 1000, 'weights': 'ImageNet', 'rho': 0.4080},
    'av': {'backbone': 'resnet50', 'frames': 32, 'rate': 1e-3, 'chunk': 1000, 'weights': 'ImageNet', 'rho': 0.298},
}  # fmt: skip


class Qian2023(ClipModel):
    """Backbone, LSTM of `hidden` units and dense layer; with `audio` features per step also an audio LSTM.

    Targets: `reactions` (N, 7) in [0, 1], NaN unlabelled. Batches: `images` or `embeddings` with `mask`; `audio`
    (N, Ta, A) with `audio_mask` (N, Ta), any length; absent audio counts as zeros. `width` and `side` below the paper's
    (1 and 224) are for tests and small trainings.
    """

    reactions = REACTIONS
    metrics = {'pearson': 'reactions'}  # noqa: RUF012
    recipe: dict[str, Any] = MappingProxyType(  # type: ignore[assignment]
        {'optimizer': 'adam', 'learning_rate': 1e-3, 'brightness': BRIGHTNESS, 'loss': 'mse', 'variants': VARIANTS}
    )
    pixel_mean: Tensor
    pixel_deviation: Tensor

    def __init__(
        self,
        backbone: str = 'resnet50',
        frames: int = 32,
        hidden: int = 512,
        dense: int = 128,
        audio: int = 0,
        activation: str = 'sigmoid',
        width: float = 1.0,
        side: int = 224,
        window_s: float = WINDOW_S,
    ) -> None:
        super().__init__()
        if activation not in ('sigmoid', 'softmax'):
            raise ConfigError(f'no activation {activation!r}; choose sigmoid or softmax')
        self.settings = {
            'backbone': backbone, 'frames': frames, 'hidden': hidden, 'dense': dense, 'audio': audio,
            'activation': activation, 'width': width, 'side': side, 'window_s': window_s,
        }  # fmt: skip
        self.inputs = Inputs(side, frames, audio, 'free', window_s)
        self.backbone = Backbone(backbone, width)
        self.embedding_size = self.backbone.size
        self.recurrent = nn.LSTM(self.embedding_size, hidden, batch_first=True)
        self.dense = nn.Sequential(nn.Linear(hidden, dense), nn.ReLU())
        if audio:
            self.audio_recurrent = nn.LSTM(audio, hidden, batch_first=True)
            self.audio_dense = nn.Sequential(nn.Linear(hidden, dense), nn.ReLU())
            self.multimodal = nn.Sequential(nn.Linear(2 * dense, dense), nn.ReLU())
        self.head: nn.Linear = nn.Linear(dense, len(REACTIONS))
        self.register_buffer('pixel_mean', torch.tensor(IMAGENET_MEAN))
        self.register_buffer('pixel_deviation', torch.tensor(IMAGENET_STD))

    def preprocess(self, crops: Tensor) -> Tensor:
        """Convert uint8 RGB crops (N, S, S, 3) to (N, 3, side, side) in [0, 1]; `features` standardises."""
        return resized(crops, self.inputs.side) / 255

    def set_statistics(self, mean: Tensor, deviation: Tensor) -> None:
        """Store channel means and deviations (3,) of training images in [0, 1]; checkpoints hold them."""
        self.pixel_mean.copy_(mean)
        self.pixel_deviation.copy_(deviation.clamp_min(1e-6))

    def features(self, x: Tensor) -> Tensor:
        """Standardise network input (N, 3, side, side) and run the backbone; returns embeddings (N, E)."""
        standard = (x - self.pixel_mean[:, None, None]) / self.pixel_deviation[:, None, None]
        embedding: Tensor = self.backbone(standard)
        return embedding

    def load_backbone(self, source: str) -> LoadReport:
        """Load backbone weights from a file, or by name from torchvision: `torchvision:IMAGENET1K_V1` downloads."""
        return self.backbone.load_weights(source)

    def forward(self, batch: Batch, player: str | None = None) -> Parts:  # noqa: ARG002  # one player
        """Intensities `reactions` (N, 7) of clips, and their `logits`."""
        embeddings = self.embeddings(batch)
        hidden = last_hidden(self.recurrent, embeddings, mask_of(batch, embeddings))
        return self._read(hidden, batch.get('audio'), batch.get('audio_mask'))

    def _read(self, hidden: Tensor, audio: Tensor | None, audio_mask: Tensor | None = None) -> Parts:
        x = self.dense(hidden)
        if self.inputs.audio:
            sound = hidden.new_zeros(len(hidden), self.audio_recurrent.hidden_size)
            if audio is not None:
                mask = audio.new_ones(audio.shape[:2], dtype=torch.bool) if audio_mask is None else audio_mask.bool()
                sound = last_hidden(self.audio_recurrent, audio, mask)
            x = self.multimodal(torch.cat([x, self.audio_dense(sound)], 1))
        logits = self.head(x)
        softmax = self.settings['activation'] == 'softmax'
        return {'reactions': logits.softmax(-1) if softmax else logits.sigmoid(), 'logits': logits}

    def loss(self, outputs: Parts, targets: Batch, player: str = 'all') -> tuple[Tensor, Parts]:  # noqa: ARG002
        """Mean squared error (eq. 1) over the labelled intensities."""
        loss = mse(outputs['reactions'], targets['reactions'])
        return loss, {'mse': loss}

    def read(
        self,
        state: Tensor,
        embedding: Tensor,
        audio: Tensor | None = None,
    ) -> SequenceOutput:
        """Intensities of windows (N, frames, E + 3); `audio` (N, Ta, A) of the window, rows with NaN are absent."""
        frames, mask = clip_window.frames(state)
        there = None if audio is None else ~audio.isnan().any(2)
        sound = None if audio is None else audio.nan_to_num(0)
        parts = self._read(last_hidden(self.recurrent, frames, mask), sound, there)
        return SequenceOutput.of(embedding, reactions=parts['reactions'])


def brighten(images: Tensor, generator: torch.Generator) -> Tensor:
    """Augment images (N, T, 3, H, W) in [0, 1]: a factor of BRIGHTNESS per clip, clipped to 1."""
    low, high = BRIGHTNESS
    factor = torch.rand(len(images), generator=generator) * (high - low) + low
    return (images * factor.to(images.device).reshape(-1, *[1] * (images.dim() - 1))).clamp_max(1)
