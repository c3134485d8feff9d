"""Interface of the networks that reproduce papers: what a trainer, an ablation and the streaming engine call.

Batches and targets are dicts of tensors: `images` (N, T, 3, H, W) as `preprocess` makes them or `embeddings` (N, T, E),
`audio` (N, T, A), `mask` (N, T) true where a frame exists (all frames without it), and targets as each file says.
NaN in a target, or -1 in a class target, means no label. Frames outside the mask change nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.errors import ConfigError
from affect_perception.models.face_model import TemporalModel

Batch = Mapping[str, Tensor]
Parts = dict[str, Tensor]


class Inputs(NamedTuple):
    """Input of a network for one sequence or clip."""

    side: int  # px of the square RGB crops; 0: no images
    frames: int  # images of a sequence in training, and of the window when streaming
    audio: int = 0  # audio features per step; 0: no audio
    audio_steps: str = 'frame'  # `frame`: one vector per image, `free`: a sequence of any length, `clip`: one vector
    window_s: float = 0.0  # length of the streaming window of a clip network; 0: counted in frames


class SequenceOutput(NamedTuple):
    """Streaming output for N faces; NaN, or no columns, where the network has no such head."""

    levels: Tensor  # (N, 4) probabilities of the four smile levels
    intensity: Tensor  # (N,) smile intensity in [0, 1]
    affect: Tensor  # (N, 2) valence and arousal in [-1, 1]
    expression: Tensor  # (N, K) probabilities of `expressions`
    reactions: Tensor  # (N, R) intensities of `reactions` in [0, 1]

    @classmethod
    def of(cls, like: Tensor, **known: Tensor) -> SequenceOutput:
        """Output for the N rows of `like`; all that is not `known` is NaN or has no columns."""
        faces = len(like)
        empty = {
            'levels': like.new_full((faces, 4), torch.nan),
            'intensity': like.new_full((faces,), torch.nan),
            'affect': like.new_full((faces, 2), torch.nan),
            'expression': like.new_empty(faces, 0),
            'reactions': like.new_empty(faces, 0),
        }
        return cls(**(empty | known))


class SequenceModel(TemporalModel):
    """Base class: training interface, and streaming over a state of one tensor per face.

    Networks with audio take it live as the argument `audio` of `advance`, in the shape of `Inputs.audio_steps`, with
    NaN in rows where there is none; None: no sound at all.

    `loss` returns the scalar to minimise and its parts by name. `metrics` names functions of `objectives.METRICS` by
    the output that each scores, the first being the paper's own. `players` are the parameter sets of alternating
    optimisers, one for all but the adversarial network.
    """

    inputs: Inputs
    metrics: dict[str, str]  # metric -> name of the output and target that it compares
    players: tuple[str, ...] = ('all',)
    recipe: dict[str, Any] = {}  # noqa: RUF012  # the paper's training settings, read only

    @abstractmethod
    def forward(self, batch: Batch, player: str | None = None) -> Parts:
        """Outputs by name, from sequences or clips."""

    @abstractmethod
    def loss(self, outputs: Parts, targets: Batch, player: str = 'all') -> tuple[Tensor, Parts]:
        """Scalar to minimise and its parts, for the outputs of a training batch."""

    def parameters_of(self, player: str) -> list[nn.Parameter]:
        """Trainable parameters of one of `players`."""
        if player not in self.players:
            raise ConfigError(f'no player {player!r}; choose one of {", ".join(self.players)}')
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def embeddings(self, batch: Batch) -> Tensor:
        """Embeddings (N, T, E) of a batch: given ones, or those of its images (N, T, 3, H, W) in one CNN batch."""
        if 'embeddings' in batch:
            return batch['embeddings']
        images = batch['images']
        return self.features(images.flatten(0, 1)).reshape(*images.shape[:2], -1)

    def preprocess(self, crops: Tensor) -> Tensor:
        """Convert uint8 RGB crops (N, S, S, 3) of any side S to network input (N, 3, side, side) float32 in [-1, 1]."""
        return resized(crops, self.inputs.side) / 127.5 - 1

    def with_sound(self, x: Tensor, audio: Tensor | None) -> Tensor:  # noqa: ARG002  # for networks that hear here
        """Add the sound (N, A) of each face, NaN where absent, to network input (N, 3, H, W), as `features` takes it.

        Networks that hear in `advance`, and those without audio, return the input as it is.
        """
        return x

    def over_time(self, embeddings: Tensor, gaps_s: Tensor) -> tuple[Any, Tensor]:
        """Stream T frames of N tracks (N, T, E) with gaps in s (N, T); outputs (N, T, ...) and last states."""
        state, outputs = self.initial_state(len(embeddings)), []
        for embedding, gap in zip(embeddings.unbind(1), gaps_s.unbind(1), strict=True):
            output, state = self.advance(embedding, gap, state)
            outputs.append(output)
        return type(outputs[0])(*(torch.stack(part, 1) for part in zip(*outputs, strict=True))), state

    def last_of(self, embeddings: Tensor, gaps_s: Tensor) -> Any:
        """Outputs (N rows) of the last frame of windows (N, T, E) with gaps in s (N, T), from the initial state."""
        output, _ = self.over_time(embeddings, gaps_s)
        return type(output)(*(part[:, -1] for part in output))

    def levels_of(self, intensity: Tensor) -> Tensor:
        """Level probabilities (N, 4) of intensities (N,) changed after inference: linear between the two nearest."""
        place = intensity[:, None] * 3
        return (1 - (place - torch.arange(4.0, device=place.device)).abs()).clamp(0, 1)

    def fold(self: Any) -> Any:
        """Switch to eval mode; nothing is merged."""
        return self.eval()


def resized(crops: Tensor, side: int) -> Tensor:
    """Resize uint8 RGB crops (N, S, S, 3) to (N, 3, side, side) float32 in 0..255, antialiased."""
    x = crops.permute(0, 3, 1, 2).float()
    if x.shape[-1] != side:
        x = functional.interpolate(x, (side, side), mode='bilinear', antialias=True, align_corners=False)
    return x


def mask_of(batch: Batch, like: Tensor) -> Tensor:
    """Mask (N, T) of the frames of `like` (N, T, ...): the batch's own, or all true."""
    mask = batch.get('mask')
    return like.new_ones(like.shape[:2], dtype=torch.bool) if mask is None else mask.bool()


def compacted(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Move the masked frames of (N, T, ...) to the front, in order, zeros behind; returns them and counts (N,)."""
    order = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)
    index = order.reshape(*order.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
    kept = torch.gather(mask, 1, order).reshape(*order.shape, *[1] * (x.dim() - 2))
    return torch.gather(x, 1, index).masked_fill(~kept, 0), mask.sum(1)


def last_hidden(recurrent: nn.RNNBase, x: Tensor, mask: Tensor) -> Tensor:
    """Hidden state (N, H) after the masked frames of (N, T, E), as if the others did not exist; 0 without any."""
    frames, counts = compacted(x, mask)
    hidden: Tensor = recurrent(frames)[0]
    last = hidden[torch.arange(len(x), device=x.device), (counts - 1).clamp_min(0)]
    return last * (counts > 0)[:, None]


def hidden_states(recurrent: nn.RNNBase, x: Tensor, mask: Tensor, state: Tensor | None = None) -> Tensor:
    """Hidden states (N, T, H) at the masked frames of (N, T, E), skipping the others, which get an arbitrary state."""
    frames, _ = compacted(x, mask)
    hidden: Tensor = recurrent(frames, state)[0]
    place = (mask.cumsum(1) - 1).clamp_min(0)  # of each frame among those that exist
    return torch.gather(hidden, 1, place[..., None].expand(-1, -1, hidden.shape[2]))
