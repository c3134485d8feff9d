"""The default network: smile, expression, valence and arousal over time, from a compact CNN and two GRU layers.

Each frame of a face passes the CNN (`FaceCnn`) once; two gated recurrent layers of 128 units (the recurrent part of
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

from affect_perception.models.face_cnn import FaceCnn
from affect_perception.models.face_model import TemporalModel
from affect_perception.models.layers import LEVEL_SLOPE, ordinal_levels, thresholds

EXPRESSIONS = ('neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt')
USUAL_GAP_S = 1 / 30  # the gap between frames that counts as nothing special
LONGEST_GAP_S = 2.0  # what is older than this is forgotten


class AffectOutput(NamedTuple):
    """Outputs for N faces. Intensity, levels and `smiling` follow from `score` and so are consistent."""

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

    level_slope: Tensor
    thresholds: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 1)
        self.expression = nn.Linear(inputs, len(EXPRESSIONS))
        self.affect = nn.Linear(inputs, 2)
        self.confidence = nn.Linear(inputs, 1)
        self.link = nn.Parameter(torch.tensor([0.5, 0.5]))  # log slope, bias
        self.register_buffer('level_slope', torch.tensor(1.0))  # fitted after training; any keeps the likeliest level
        self.register_buffer('thresholds', thresholds(), persistent=False)

    def forward(self, embedding: Tensor) -> AffectOutput:
        """Read embeddings (..., inputs)."""
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
        """Level probabilities (..., 4) at scores (...): ordinal levels sharpened or flattened by an exponent.

        The most probable level stays the one in which the intensity lies.
        """
        above = LEVEL_SLOPE * (score[..., None] - self.thresholds)
        return torch.softmax(self.level_slope * torch.log(ordinal_levels(above).clamp_min(1e-6)), -1)


class SmileVa(FaceCnn, TemporalModel):
    """`FaceCnn` and two GRU layers over its embeddings, each with its read-outs.

    `hidden` is the number of units of each recurrent layer, `dropout` the share of the embedding dropped in training.
    """

    expressions = EXPRESSIONS

    def __init__(
        self,
        channels: Sequence[int] = (24, 64, 128, 192),
        blocks: Sequence[int] = (1, 2, 2, 2),
        hidden: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__(channels, blocks)
        self.settings |= {'hidden': hidden, 'dropout': dropout}
        self.dropout = nn.Dropout(dropout)
        self.head: AffectHead = AffectHead(self.embedding_size)
        self.recurrent = nn.GRU(self.embedding_size + 1, hidden, num_layers=2, batch_first=True)
        self.temporal_head = AffectHead(hidden)

    def initial_state(self, faces: int) -> Tensor:
        """State (faces, 2, hidden) of tracks without any frame so far: zeros."""
        weight = self.recurrent.get_parameter('weight_hh_l0')
        return weight.new_zeros(faces, self.recurrent.num_layers, self.recurrent.hidden_size)

    def advance(self, embedding: Tensor, gap_s: Tensor, state: Tensor) -> tuple[AffectOutput, Tensor]:
        """Process one frame of N tracks: embeddings (N, E), seconds since the last frame (N,), states (N, 2, hidden).

        Returns outputs of N rows and the new states. The gap of a first frame is arbitrary: nothing precedes it.
        """
        output, state = self.over_time(embedding[:, None], gap_s[:, None], state)
        return AffectOutput(*(part[:, 0] for part in output)), state

    def over_time(self, embeddings: Tensor, gaps_s: Tensor, state: Tensor | None = None) -> tuple[AffectOutput, Tensor]:
        """Process T frames of N tracks: embeddings (N, T, E), gaps in s (N, T); outputs (N, T, ...) and last states."""
        state = self.initial_state(len(embeddings)) if state is None else state
        aged = torch.log2(gaps_s.clamp(1e-3, LONGEST_GAP_S) / USUAL_GAP_S) / 4
        x = torch.cat([embeddings, aged[..., None]], -1)
        hidden, state = self.recurrent(x, state.transpose(0, 1).contiguous())
        return self.temporal_head(hidden), state.transpose(0, 1)

    def last_of(self, embeddings: Tensor, gaps_s: Tensor) -> AffectOutput:
        """Outputs (N rows) of the last frame of windows (N, T, E) with gaps in s (N, T), from the initial state."""
        output, _ = self.over_time(embeddings, gaps_s)
        return AffectOutput(*(part[:, -1] for part in output))

    def levels_of(self, intensity: Tensor) -> Tensor:
        """Level probabilities (N, 4) of intensities (N,) that were changed after inference."""
        return self.temporal_head.levels_of(torch.logit(intensity.clamp(1e-4, 1 - 1e-4)))

    def forward(self, x: Tensor) -> AffectOutput:
        """Outputs of the head for single pictures, from network input (N, 1, 64, 64), as `preprocess` makes it."""
        output: AffectOutput = self.head(self.dropout(self.features(x)))
        return output


def happiness(output: AffectOutput) -> Tensor:
    """Share of observers who would say "happiness" (N,), in [0, 1]."""
    return torch.sigmoid(output.smiling)


def expression_probabilities(output: AffectOutput) -> Tensor:
    """Probabilities (N, 8) of EXPRESSIONS."""
    return functional.softmax(output.expression, -1)
