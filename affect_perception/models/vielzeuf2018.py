"""Vielzeuf et al. 2018, "An Occam's Razor View on Learning Audiovisual Emotion Recognition with Small Training Sets":
Table 2 (images), Table 3 (temporal pooling, audio) and Table 4 (fusion and ensembles); AFEW's Table 1 in `AFEW_COUNTS`.

ResNet-18 on faces of 224×224 with two heads (valence and arousal; expressions) and a descriptor of 512 numbers. From a
clip, n = 16 frames: the one with the best score in each of 16 equal chunks. Temporal pooling: `none` (mean of the
frames' scores), `mean` of descriptors, `weighted` by a sigmoid regressor on valence and arousal, or `lstm` of 128.
Audio: an MLP of 64 units with batch normalisation and dropout, or a random forest (`late_fusion.random_forest`), on
1582 openSMILE functionals. Late fusion of scores by mean or learned weights, ensembles over seeds: `late_fusion`.

Stages (`stage`, `parameter_groups`): `image` trains ResNet and heads on AffectNet; `image_head` then `image_all`
fine-tune on RAF and SFEW, the second at a lower rate; `clip` trains pooling, clip classifier and audio on AFEW, the
green part of Fig. 1, with a frozen ResNet.

Differences from the paper:
- Table 2 gives 2 million parameters and 180 MFLOPs; ResNet-18 as cited, with 512-number descriptors, has 11.2 million
  and 1.8 GFLOPs at 224×224. The text is followed; `width=0.42` gives 2 million.
- Strength of dropout, cutout, jitter and rotation: `recipe`; the paper gives none.
- A frame's score is its highest expression probability; the paper's "highest score across frames and categories".
- Live, the window is `window_s` long (AFEW clips last some seconds) in 16 slots that keep their best frame. Functionals
  are of those seconds, too, the newest row each second, and of the INTERSPEECH 2010 set (1582 numbers).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.errors import ConfigError
from affect_perception.models.backbones.torchvision_nets import Backbone
from affect_perception.models.backbones.weight_files import LoadReport
from affect_perception.models.blocks import clip_window
from affect_perception.models.blocks.objectives import cross_entropy, mse
from affect_perception.models.clip_model import ClipModel
from affect_perception.models.sequence_model import (
    Batch,
    Inputs,
    Parts,
    SequenceOutput,
    last_hidden,
    mask_of,
)

EXPRESSIONS = ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'neutral', 'surprise')  # AFEW's order (Table 1)
POOLINGS = ('none', 'mean', 'weighted', 'lstm')
STAGES = ('image', 'image_head', 'image_all', 'clip')
AUDIO_FEATURES = 1582  # openSMILE functionals (IS10, emobase2010)
WINDOW_S = 4.0
AFEW_COUNTS = {
    'train': (133, 74, 81, 150, 117, 144, 74),
    'val': (64, 40, 46, 63, 61, 63, 46),
    'test': (99, 40, 70, 144, 80, 191, 29),
}


class Vielzeuf2018(ClipModel):
    """ResNet-18 with heads, temporal pooling and optional audio MLP; `audio` features per clip (the paper's: 1582).

    Batches: single images (N, 3, H, W), or clips of `images` or `embeddings` with `mask`, and `audio` (N, A). Targets:
    `affect` (N, 2) and `expression` (N,) of images, `expression` (N,) of clips, and optional `weight` (N,) of the
    expressions. `classes` names the expressions of images and clips: AffectNet's eight in the first stage, AFEW's seven
    afterwards (`replace_classes`).
    """

    metrics = {'accuracy': 'expression', 'macro_f1': 'expression'}  # noqa: RUF012
    selects = True
    recipe: dict[str, Any] = MappingProxyType(  # type: ignore[assignment]
        {
            'optimizer': 'adam', 'learning_rate': 1e-4, 'rate_factor_image_all': 0.1, 'dropout': 0.5, 'cutout': 0.25,
            'jitter': 0.05, 'rotation_degrees': 10.0, 'seeds': 50,
        }
    )  # fmt: skip

    def __init__(
        self,
        pooling: str = 'mean',
        classes: tuple[str, ...] = EXPRESSIONS,
        frames: int = 16,
        audio: int = 0,
        hidden: int = 128,
        dropout: float = 0.5,
        width: float = 1.0,
        side: int = 224,
        window_s: float = WINDOW_S,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ConfigError(f'no pooling {pooling!r}; choose one of {", ".join(POOLINGS)}')
        self.settings = {
            'pooling': pooling, 'classes': list(classes), 'frames': frames, 'audio': audio, 'hidden': hidden,
            'dropout': dropout, 'width': width, 'side': side, 'window_s': window_s,
        }  # fmt: skip
        self.expressions = tuple(classes)
        self.inputs = Inputs(side, frames, audio, 'clip', window_s)
        self.backbone = Backbone('resnet18', width)
        self.embedding_size = self.backbone.size
        self.dropout = nn.Dropout(dropout)
        self.affect = nn.Linear(self.embedding_size, 2)
        self.expression = nn.Linear(self.embedding_size, len(classes))
        self.frame_weight = nn.Linear(2, 1)
        self.recurrent = nn.LSTM(self.embedding_size, hidden, batch_first=True) if pooling == 'lstm' else None
        self.head: nn.Linear = nn.Linear(hidden if pooling == 'lstm' else self.embedding_size, len(classes))
        if audio:
            self.audio_head = nn.Sequential(
                nn.Linear(audio, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, len(classes))
            )

    def features(self, x: Tensor) -> Tensor:
        """Run ResNet-18 on network input (N, 3, side, side) in [-1, 1]; returns descriptors (N, 512)."""
        embedding: Tensor = self.backbone(x)
        return embedding

    def load_backbone(self, source: str) -> LoadReport:
        """Load ResNet-18 weights from a file, or by name from torchvision: `torchvision:IMAGENET1K_V1` downloads."""
        return self.backbone.load_weights(source)

    def replace_classes(self, classes: tuple[str, ...]) -> Vielzeuf2018:
        """Copy of the network for other expressions, with new classifiers and all other weights kept (fine-tuning)."""
        model = Vielzeuf2018(**self.settings | {'classes': classes})
        fresh = ('expression.', 'head.', 'audio_head.4.')
        kept = {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(fresh)}
        model.load_state_dict(kept, strict=False)
        return model

    def parameter_groups(self, stage: str, rate: float) -> list[dict[str, Any]]:
        """Optimizer groups of one of STAGES at learning rate `rate`; other parameters are frozen."""
        if stage not in STAGES:
            raise ConfigError(f'no stage {stage!r}; choose one of {", ".join(STAGES)}')
        clip = ('frame_weight.', 'recurrent.', 'head.', 'audio_head.')
        heads = ('affect.', 'expression.')
        wanted = {'image': ('backbone.', *heads), 'image_head': heads, 'image_all': ('backbone.', *heads), 'clip': clip}
        rate *= self.recipe['rate_factor_image_all'] if stage == 'image_all' else 1
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith(wanted[stage]))
        return [{'params': [p for p in self.parameters() if p.requires_grad], 'lr': rate}]

    def forward(self, batch: Batch, player: str | None = None) -> Parts:  # noqa: ARG002  # one player
        """Outputs of images, `affect` (N, 2) and logits `expression` (N, K), or of clips, logits `expression` (N, K).

        With audio, clips add logits `audio`, and a row of `audio` with NaN counts as absent.
        """
        if 'images' in batch and batch['images'].dim() == 4:
            descriptor = self.dropout(self.features(batch['images']))
            return {'affect': torch.tanh(self.affect(descriptor)), 'expression': self.expression(descriptor)}
        embeddings = self.embeddings(batch)
        mask = mask_of(batch, embeddings)
        index, chosen = clip_window.best_of_chunks(self.score(embeddings), mask, self.inputs.frames)
        frames = torch.gather(embeddings, 1, index[..., None].expand(-1, -1, embeddings.shape[2]))
        outputs = {'expression': self._pooled(frames, chosen)}
        if self.inputs.audio and 'audio' in batch:
            sound = batch['audio']
            outputs['audio'] = self.audio_head(sound.nan_to_num(0))
            outputs['audio_mask'] = ~sound.isnan().any(1)
        return outputs

    def score(self, embeddings: Tensor) -> Tensor:
        """Score (...) of frames (..., E) for the selection: the highest probability of an expression."""
        highest: Tensor = self.expression(embeddings).softmax(-1).amax(-1)
        return highest

    def _pooled(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Logits (N, K) of selected frames (N, n, E) with mask (N, n); log mean probabilities for pooling `none`."""
        pooling = self.settings['pooling']
        there = mask.to(frames.dtype)
        if pooling == 'lstm' and self.recurrent is not None:
            logits: Tensor = self.head(self.dropout(last_hidden(self.recurrent, frames, mask)))
            return logits
        if pooling == 'weighted':
            there = there * torch.sigmoid(self.frame_weight(torch.tanh(self.affect(frames))))[..., 0]
        values = self.expression(frames).softmax(-1) if pooling == 'none' else frames
        mean = (values * there[..., None]).sum(1) / there.sum(1, keepdim=True).clamp_min(1e-8)
        pooled: Tensor = mean.clamp_min(1e-8).log() if pooling == 'none' else self.head(self.dropout(mean))
        return pooled

    def loss(self, outputs: Parts, targets: Batch, player: str = 'all') -> tuple[Tensor, Parts]:  # noqa: ARG002
        """Cross entropy of the expression, plus the squared error of affect (images) or cross entropy of audio."""
        weight = targets.get('weight')
        parts = {'expression': cross_entropy(outputs['expression'], targets['expression'], weight)}
        if 'affect' in outputs and 'affect' in targets:
            parts['affect'] = mse(outputs['affect'], targets['affect'])
        if 'audio' in outputs:
            absent = ~outputs['audio_mask']
            parts['audio'] = cross_entropy(outputs['audio'], targets['expression'].masked_fill(absent, -1), weight)
        return torch.stack(list(parts.values())).sum(), parts

    def read(self, state: Tensor, embedding: Tensor, audio: Tensor | None = None) -> SequenceOutput:
        """Expressions of windows (N, frames, E + 3), valence and arousal of the newest frames (N, E).

        `audio` (N, A), functionals of the window's sound, joins by the mean of the scores; rows with NaN are absent.
        """
        expression = self._pooled(*clip_window.frames(state)).softmax(-1)
        if audio is not None and self.inputs.audio:
            there = ~audio.isnan().any(1, keepdim=True)
            both = (expression + functional.softmax(self.audio_head(audio.nan_to_num(0)), -1)) / 2
            expression = torch.where(there, both, expression)
        affect = torch.tanh(self.affect(embedding))
        return SequenceOutput.of(embedding, expression=expression, affect=affect)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate, jitter and cut out squares of images (N, 3, H, W) in [-1, 1], with the strengths of the recipe."""
    recipe = Vielzeuf2018.recipe
    count, side = len(images), images.shape[-1]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    angle = torch.deg2rad(uniform(count) * recipe['rotation_degrees'])
    cos, sin, shift = angle.cos(), angle.sin(), uniform(count, 2) * recipe['jitter'] * 2  # grids span 2
    theta = torch.stack([torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    grid = functional.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode='border', align_corners=False)
    half = side * recipe['cutout'] / 2
    centre = torch.rand(count, 2, generator=generator) * side
    pixel = torch.arange(side)
    inside = ((pixel - centre[:, :1]).abs() < half)[:, :, None] & ((pixel - centre[:, 1:]).abs() < half)[:, None]
    return moved.masked_fill(inside[:, None].to(images.device), 0)
