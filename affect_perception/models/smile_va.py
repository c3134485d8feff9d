"""The default network: smile, expression, valence and arousal over time, from a compact CNN and two GRU layers.

Each frame of a face passes the CNN of `first` once; two gated recurrent layers of 128 units (the recurrent part of
Witzig et al. 2019) read its embeddings one by one, and the time since the one before, so that a pause or another
frame rate is something the network sees. The heads read the second layer. A head on the embedding itself (`head`)
teaches the CNN on single pictures and is not used afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.models.first import FirstModel
from affect_perception.models.layers import LEVEL_SLOPE, ordinal_levels, thresholds

EXPRESSIONS = ('neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt')
USUAL_GAP_S = 1 / 30  # the gap between frames that counts as nothing special
LONGEST_GAP_S = 2.0  # what is older than this is forgotten


class AffectOutput(NamedTuple):
    """What the network says of N faces. `score` decides intensity, levels and `smiling`, so they cannot contradict."""

    score: Tensor  # (N,) any real number, higher is a stronger smile
    intensity: Tensor  # (N,) in [0, 1], sigmoid of the score: how far from one's neutral face to one's full smile
    levels: Tensor  # (N, 4) probabilities of the four smile levels; a row sums to 1
    smiling: Tensor  # (N,) logit of the share of people who would say "happiness"
    expression: Tensor  # (N, 8) logits of EXPRESSIONS
    affect: Tensor  # (N, 2) valence and arousal in [-1, 1]
    confidence: Tensor  # (N,) logit of "this reading is right"


class AffectHead(nn.Module):
    """All outputs from one embedding.

    The share of people who would say "happiness" rises much faster than the smile itself: it follows from the score by
    a line with slope above 0 (the link), which is learnt. So votes and graded smiles can both teach one score.
    """

    def __init__(self, inputs: int):
        super().__init__()
        self.linear = nn.Linear(inputs, 1)
        self.expression = nn.Linear(inputs, len(EXPRESSIONS))
        self.affect = nn.Linear(inputs, 2)
        self.confidence = nn.Linear(inputs, 1)
        self.link = nn.Parameter(torch.tensor([0.5, 0.5]))  # log slope, bias
        self.register_buffer('level_slope', torch.tensor(1.0))  # fitted after training; any keeps the likeliest level
        self.register_buffer('thresholds', thresholds(), persistent=False)

    def forward(self, embedding: Tensor) -> AffectOutput:
        score = self.linear(embedding).squeeze(-1)
        return AffectOutput(
            score,
            torch.sigmoid(score),
            self.levels_of(score),
            self.link[0].exp() * score + self.link[1],
            self.expression(embedding),
            torch.tanh(self.affect(embedding)),
            self.confidence(embedding).squeeze(-1),
        )

    def levels_of(self, score: Tensor) -> Tensor:
        """(..., 4) probabilities of the levels at scores (...).

        Those of one's intensity, made surer or less sure by an exponent: the likeliest stays the one in which the
        intensity lies.
        """
        above = LEVEL_SLOPE * (score[..., None] - self.thresholds)
        return torch.softmax(self.level_slope * torch.log(ordinal_levels(above).clamp_min(1e-6)), -1)


class SmileVa(FirstModel):
    """The CNN of `first`, with its widths and depths as settings, and what reads its embeddings over time.

    dropout: share of the embedding that is dropped in training; hidden: units of each recurrent layer.
    """

    expressions = EXPRESSIONS

    def __init__(
        self,
        channels: Sequence[int] = (24, 64, 128, 192),
        blocks: Sequence[int] = (1, 2, 2, 2),
        hidden: int = 128,
        dropout: float = 0.3,
    ):
        super().__init__(channels, blocks)
        self.settings |= {'hidden': hidden, 'dropout': dropout}
        self.dropout = nn.Dropout(dropout)
        self.head = AffectHead(self.embedding_size)
        self.recurrent = nn.GRU(self.embedding_size + 1, hidden, num_layers=2, batch_first=True)
        self.temporal_head = AffectHead(hidden)

    def initial_state(self, faces: int) -> Tensor:
        """State (faces, 2, hidden) of faces that were never seen."""
        weight = self.recurrent.weight_hh_l0
        return weight.new_zeros(faces, self.recurrent.num_layers, self.recurrent.hidden_size)

    def advance(self, embedding: Tensor, gap_s: Tensor, state: Tensor) -> tuple[AffectOutput, Tensor]:
        """One frame of N faces: embeddings (N, E), seconds since the frame before (N,), state (N, 2, hidden).

        Returns what the network says and the new state. A first frame has any gap: with the zero state it says nothing.
        """
        output, state = self.over_time(embedding[:, None], gap_s[:, None], state)
        return AffectOutput(*(part[:, 0] for part in output)), state

    def over_time(self, embeddings: Tensor, gaps_s: Tensor, state: Tensor | None = None) -> tuple[AffectOutput, Tensor]:
        """T frames of N faces: embeddings (N, T, E), gaps_s (N, T); outputs (N, T, ...) and the last state."""
        state = self.initial_state(len(embeddings)) if state is None else state
        aged = torch.log2(gaps_s.clamp(1e-3, LONGEST_GAP_S) / USUAL_GAP_S) / 4
        x = torch.cat([embeddings, aged[..., None]], -1)
        hidden, state = self.recurrent(x, state.transpose(0, 1).contiguous())
        return self.temporal_head(hidden), state.transpose(0, 1)

    def last_of(self, embeddings: Tensor, gaps_s: Tensor) -> AffectOutput:
        """What the last frame of windows (N, T, E) with gaps (N, T) says, when nothing was remembered."""
        output, _ = self.over_time(embeddings, gaps_s)
        return AffectOutput(*(part[:, -1] for part in output))

    def levels_of(self, intensity: Tensor) -> Tensor:
        """(N, 4) probabilities of the levels of intensities (N,) that were changed after reading."""
        return self.temporal_head.levels_of(torch.logit(intensity.clamp(1e-4, 1 - 1e-4)))

    def forward(self, x: Tensor) -> AffectOutput:
        """Input (N, 1, 64, 64), as `preprocess` makes it, to what the head for single pictures says of N faces."""
        return self.head(self.dropout(self.features(x)))


def happiness(output: AffectOutput) -> Tensor:
    """(N,) share of people who would say "happiness", in [0, 1]."""
    return torch.sigmoid(output.smiling)


def expression_probabilities(output: AffectOutput) -> Tensor:
    """(N, 8) probabilities of EXPRESSIONS."""
    return functional.softmax(output.expression, -1)
