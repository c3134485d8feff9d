"""Witzig et al. 2019, "Smile Intensity Detection in Multiparty Interaction using Deep Learning": Fig. 1 (network),
Fig. 3 (recall and precision per level) and Fig. 6 (speed of sequential and batched faces).

VGG-Face on RGB faces of 96×96 in [-1, 1], its first fully connected layer (4096), two GRU layers of 128 units over
sequences of 20 frames, a linear layer, softmax over neutral, low, medium, high; with `subtle` also the class that the
paper annotated and left out. `recipe` holds the training settings of §V-A; frames without a face are outside the mask.

Differences from the paper:
- Schedule, not result: the paper runs the CNN on all 20 frames at every step; `advance` runs it on the new frame and
  stores each frame's input projection of the first GRU layer (384 numbers instead of 4096). The two recurrent layers
  run over the whole window at each step, as in the paper, so outputs equal those of the recomputed window.
- fc6 starts from Glorot's initialisation: VGG-Face's own is for 224×224 and has another shape.
- Training scores all 20 frames of a sequence; the paper does not say whether all or the last.
- Live output has four levels: the probability of subtle is added to low, the level next to it.
- Weights are random until you train or load some: the paper's were not published.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.models.backbones.vgg_face import SIDE, VggFaceModel
from affect_perception.models.blocks.objectives import cross_entropy
from affect_perception.models.sequence_model import Batch, Inputs, Parts, hidden_states, mask_of

WINDOW = 20  # frames
LEVELS = ('neutral', 'low', 'medium', 'high')
LEVELS_WITH_SUBTLE = ('neutral', 'subtle', 'low', 'medium', 'high')


class LevelOutput(NamedTuple):
    """Output of a classifier of smile levels for N faces."""

    levels: Tensor  # (N, 4) probabilities of the four smile levels; a row sums to 1
    intensity: Tensor  # (N,) in [0, 1]: the mean level by these probabilities, divided by 3


class Witzig2019(VggFaceModel):
    """VGG-16, fc6 and two GRU layers of `hidden` units; E = 4096 × width.

    Targets: `levels` (N, T), classes of `level_names`, -1 unlabelled, and optional `weight` (N, T). `width` scales the
    number of channels: 1 is the paper's network, smaller ones are for tests.
    """

    metrics = {'macro_f1': 'levels', 'accuracy': 'levels'}  # noqa: RUF012
    memory = 'frames'
    recipe: dict[str, Any] = MappingProxyType(  # type: ignore[assignment]
        {
            'optimizer': 'adam', 'learning_rate': 1e-5, 'learning_rate_factor_per_epoch': 0.97, 'epochs': 10,
            'batch_size': 320, 'sequence_length': WINDOW, 'early_stopping': ('loss', 'macro_f1'),
        }
    )  # fmt: skip

    def __init__(self, width: float = 1.0, hidden: int = 128, subtle: bool = False) -> None:
        super().__init__(width)
        self.settings = {'width': width, 'hidden': hidden, 'subtle': subtle}
        self.inputs = Inputs(SIDE, WINDOW)
        self.level_names = LEVELS_WITH_SUBTLE if subtle else LEVELS
        self.recurrent = nn.GRU(self.embedding_size, hidden, num_layers=2, batch_first=True)
        self.head: nn.Linear = nn.Linear(hidden, len(self.level_names))
        self.initialise()

    def initialise(self) -> None:
        """Glorot-uniform weights (2010) and zero biases, as the paper trains from; VGG-Face weights come afterwards."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
            elif 'bias' in name:
                nn.init.zeros_(parameter)

    def forward(self, batch: Batch, player: str | None = None) -> Parts:  # noqa: ARG002  # one player
        """Logits `levels` (N, T, K) of each frame of sequences, from the first frame on; outside the mask: any."""
        embeddings = self.embeddings(batch)
        mask = mask_of(batch, embeddings)
        return {'levels': self.head(hidden_states(self.recurrent, embeddings, mask)), 'mask': mask}

    def loss(self, outputs: Parts, targets: Batch, player: str = 'all') -> tuple[Tensor, Parts]:  # noqa: ARG002
        """Cross entropy over the labelled frames inside the mask."""
        classes = targets['levels'].masked_fill(~outputs['mask'], -1)
        loss = cross_entropy(outputs['levels'], classes, targets.get('weight'))
        return loss, {'cross_entropy': loss}

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

    def over_time(  # type: ignore[override]  # None for a state that is a window
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
        if len(self.level_names) == 5:  # subtle counts as low
            levels = torch.cat([levels[..., :1], levels[..., 1:2] + levels[..., 2:3], levels[..., 3:]], -1)
        return LevelOutput(levels, levels @ levels.new_tensor([0, 1 / 3, 2 / 3, 1]))


def gru_cell(projected: Tensor, state: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One GRU step: input projections (N, 3 H) of reset, update and new gate, states (N, H); returns next states."""
    size = state.shape[1]
    from_state = functional.linear(state, weight, bias)
    reset, update = torch.sigmoid(projected[:, : 2 * size] + from_state[:, : 2 * size]).chunk(2, 1)
    new = torch.tanh(torch.addcmul(projected[:, 2 * size :], reset, from_state[:, 2 * size :]))
    return torch.lerp(new, state, update)
