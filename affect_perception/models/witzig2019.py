"""The network of Witzig et al. 2019, "Smile Intensity Detection in Multiparty Interaction using Deep Learning".

VGG-Face (Parkhi et al. 2015: the layers of VGG-16) on RGB faces of 96×96 in [-1, 1], its first fully connected layer
(4096), two GRU layers of 128 units over the last 20 frames, a linear layer, softmax over neutral, low, medium, high.

Difference from the paper: the schedule, not the result. The paper runs the CNN on all 20 frames at every step;
`advance` runs it on the new frame and stores each frame's input projection of the first GRU layer (384 numbers instead
of 4096). The two recurrent layers run over the whole window at each step, as in the paper, so outputs equal those of
the recomputed window. Weights are random until you train or load some: the paper's were not published.
"""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.errors import ConfigError
from affect_perception.models.face_model import TemporalModel

SIDE = 96  # px
WINDOW = 20  # frames
VGG16: tuple[int | str, ...] = (
    64,
    64,
    'M',
    128,
    128,
    'M',
    256,
    256,
    256,
    'M',
    512,
    512,
    512,
    'M',
    512,
    512,
    512,
    'M',
)  # channels of the 3×3 convolutions; M: max pooling


# What torch.load and safetensors raise for files that hold something else.
_UNREADABLE = (
    OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError, AttributeError,
    UnpicklingError, SafetensorError,
)  # fmt: skip


class LevelOutput(NamedTuple):
    """Output of a classifier of smile levels for N faces."""

    levels: Tensor  # (N, 4) probabilities of the four smile levels; a row sums to 1
    intensity: Tensor  # (N,) in [0, 1]: the mean level by these probabilities, divided by 3


class Witzig2019(TemporalModel):
    """VGG-16, fc6 and two GRU layers of `hidden` units; E = 4096.

    `width` scales the number of channels: 1 is the paper's network, smaller ones are for tests.
    """

    def __init__(self, width: float = 1.0, hidden: int = 128) -> None:
        super().__init__()
        self.settings = {'width': width, 'hidden': hidden}
        layers: list[nn.Module] = []
        channels = 3
        for size in VGG16:
            if isinstance(size, str):
                layers.append(nn.MaxPool2d(2))
            else:
                outputs = max(round(size * width), 1)
                layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU()]
                channels = outputs
        self.cnn = nn.Sequential(*layers)
        self.embedding_size = max(round(4096 * width), 1)
        self.fc6 = nn.Linear(channels * 9, self.embedding_size)
        self.recurrent = nn.GRU(self.embedding_size, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, 4)

    @staticmethod
    def preprocess(crops: Tensor) -> Tensor:
        """Convert uint8 RGB crops (N, S, S, 3) of any side S to network input (N, 3, 96, 96) float32 in [-1, 1]."""
        x = crops.permute(0, 3, 1, 2).float()
        if x.shape[-1] != SIDE:
            x = functional.interpolate(x, (SIDE, SIDE), mode='bilinear', antialias=True, align_corners=False)
        return x / 127.5 - 1

    def features(self, x: Tensor) -> Tensor:
        """Run the CNN and fc6 on network input (N, 3, 96, 96); returns embeddings (N, 4096)."""
        return functional.relu(self.fc6(self.cnn(x).flatten(1)))

    def initial_state(self, faces: int) -> Tensor:
        """State (faces, 20, 385): input projections of the last 20 frames, newest last, and 1 where a frame exists."""
        return self._parameter('weight_hh_l0').new_zeros(faces, WINDOW, 3 * self.recurrent.hidden_size + 1)

    def advance(
        self,
        embedding: Tensor,
        gap_s: Tensor,  # noqa: ARG002  # the paper's window counts frames
        state: Tensor,
    ) -> tuple[LevelOutput, Tensor]:
        """Process one frame of N tracks: embeddings (N, 4096), states (N, 20, 385); outputs and new states.

        `gap_s` is ignored.
        """
        projected = functional.linear(embedding, self._parameter('weight_ih_l0'), self._parameter('bias_ih_l0'))
        newest = torch.cat([projected, torch.ones_like(projected[:, :1])], 1)
        state = torch.cat([state[:, 1:], newest[:, None]], 1)
        return self._answer(self._over_window(state[..., :-1], state[..., -1:])), state

    def over_time(
        self,
        embeddings: Tensor,
        gaps_s: Tensor | None = None,  # noqa: ARG002  # the paper's window counts frames
    ) -> tuple[LevelOutput, None]:
        """Outputs (N, T, ...) of T frames of N tracks (N, T, 4096), each from the window of 20 frames that ends there.

        The paper's schedule, without state; `gaps_s` is ignored.
        """
        answers = []
        for end in range(1, embeddings.shape[1] + 1):
            hidden, _ = self.recurrent(embeddings[:, max(0, end - WINDOW) : end])
            answers.append(self._answer(hidden[:, -1]))
        return LevelOutput(*(torch.stack(part, 1) for part in zip(*answers, strict=True))), None

    def last_of(
        self,
        embeddings: Tensor,
        gaps_s: Tensor | None = None,  # noqa: ARG002  # the paper's window counts frames
    ) -> LevelOutput:
        """Outputs (N rows) of the last frame of windows (N, T, 4096), from its last 20 frames; `gaps_s` is ignored."""
        hidden, _ = self.recurrent(embeddings[:, -WINDOW:])
        return self._answer(hidden[:, -1])

    def _parameter(self, name: str) -> Tensor:
        return self.recurrent.get_parameter(name)

    def _over_window(self, projected: Tensor, there: Tensor) -> Tensor:
        """Last state (N, 128) of the second GRU layer over projections (N, 20, 384).

        `there` (N, 20, 1) is 1 where a frame exists; other frames leave the state unchanged. GRU as in Cho et al. 2014,
        with PyTorch's order of gates.
        """
        gru = self.recurrent
        below = projected.unbind(1)
        seen = None if there.all() else (there > 0).unbind(1)  # full windows need no mask
        for layer in range(gru.num_layers):
            weight, bias = self._parameter(f'weight_hh_l{layer}'), self._parameter(f'bias_hh_l{layer}')
            state, states = projected.new_zeros(len(projected), gru.hidden_size), []
            for step, given in enumerate(below):
                moved = gru_cell(given, state, weight, bias)
                state = moved if seen is None else torch.where(seen[step], moved, state)
                states.append(state)
            if layer + 1 < gru.num_layers:  # input of the next layer for all frames in one product
                weight, bias = self._parameter(f'weight_ih_l{layer + 1}'), self._parameter(f'bias_ih_l{layer + 1}')
                below = functional.linear(torch.stack(states, 1), weight, bias).unbind(1)
        return state

    def _answer(self, hidden: Tensor) -> LevelOutput:
        levels = functional.softmax(self.head(hidden), -1)
        return LevelOutput(levels, levels @ levels.new_tensor([0, 1 / 3, 2 / 3, 1]))

    def levels_of(self, intensity: Tensor) -> Tensor:
        """Level probabilities (N, 4) of intensities (N,) changed after inference: linear between the two nearest."""
        place = intensity[:, None] * 3
        return (1 - (place - torch.arange(4.0, device=place.device)).abs()).clamp(0, 1)

    def fold(self) -> Witzig2019:
        """Switch to eval mode; VGG-16 has no normalisation to merge."""
        return self.eval()

    def load_vgg_face(self, path: str | Path) -> list[str]:
        """Load CNN weights from a VGG-Face file (names conv1_1.weight … fc6.bias); returns the names loaded.

        `path` is a .safetensors file, or a .pth file, which is read without running code from it. VGG-Face's own fc6
        is for 224×224; fc6 is loaded only if its shape fits 96×96. ConfigError for a missing, damaged or other file.
        """
        tensors = _tensors(Path(path))
        blocks, block, number = [], 1, 0
        for size in VGG16:
            block, number = (block + 1, 0) if size == 'M' else (block, number + 1)
            if size != 'M':
                blocks.append(f'conv{block}_{number}')
        modules = dict(zip(blocks, (m for m in self.cnn if isinstance(m, nn.Conv2d)), strict=True)) | {'fc6': self.fc6}
        taken = []
        for name, module in modules.items():
            weight, bias = tensors.get(f'{name}.weight'), tensors.get(f'{name}.bias')
            if weight is not None and bias is not None and weight.shape == module.weight.shape:
                module.load_state_dict({'weight': weight, 'bias': bias})
                taken.append(name)
            elif name != 'fc6':
                given = 'is absent' if weight is None else f'is {tuple(weight.shape)}'
                raise ConfigError(
                    f'{path}: {name}.weight {given}; wanted {tuple(module.weight.shape)}: give the weights of VGG-Face'
                )
        return taken


def gru_cell(projected: Tensor, state: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One GRU step: input projections (N, 3 H) of reset, update and new gate, states (N, H); returns next states."""
    size = state.shape[1]
    from_state = functional.linear(state, weight, bias)
    reset, update = torch.sigmoid(projected[:, : 2 * size] + from_state[:, : 2 * size]).chunk(2, 1)
    new = torch.tanh(torch.addcmul(projected[:, 2 * size :], reset, from_state[:, 2 * size :]))
    return torch.lerp(new, state, update)


def _tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a .safetensors or .pth file; ConfigError for a missing, damaged or unsafe one."""
    if not path.is_file():
        raise ConfigError(f'no VGG-Face weights at {path}')
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file

            return load_file(str(path))
        content = torch.load(path, map_location='cpu', weights_only=True)
        return {name: tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    except _UNREADABLE as error:
        raise ConfigError(f'{path} is no readable file of tensors: {" ".join(str(error).split())[:200]}') from None
