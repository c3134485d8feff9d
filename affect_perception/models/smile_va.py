"""The default network: smile, expression, valence and arousal over time, from a compact CNN and two GRU layers.

Each frame of a face passes the CNN (`FaceCnn`) once. A linear head reads its embedding; two gated recurrent layers of
128 units (the recurrent part of Witzig et al. 2019) see the embeddings one by one, with the time since the one before,
and add a correction to the head's read-outs. Single images train the CNN and the head, sequences the recurrent part.
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
from affect_perception.types import LEVEL_BOUNDS

EXPRESSIONS = ('neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt')
USUAL_GAP_S = 1 / 30  # the gap between frames that counts as nothing special
LONGEST_GAP_S = 2.0  # what is older than this is forgotten
READ_OUTS = 13  # presence, strength, 8 expressions, valence, arousal, confidence
FLOOR = 0.2  # intensity of the faintest smile that everybody sees
LEAST = 1e-4  # the score is finite: intensities are kept this far from 0 and 1 for it


class AffectOutput(NamedTuple):
    """Outputs of the network for N faces. Intensity, score and levels follow from presence and strength."""

    score: Tensor  # (N,) logit of the intensity
    intensity: Tensor  # (N,) in [0, 1]: absolute, 0 no smile, 1 a broad laughing smile
    levels: Tensor  # (N, 4) probabilities of the four smile levels; a row sums to 1
    smiling: Tensor  # (N,) presence: logit of the share of people who would say "happiness"
    expression: Tensor  # (N, 8) logits of EXPRESSIONS
    affect: Tensor  # (N, 2) valence and arousal in [-1, 1]
    confidence: Tensor  # (N,) logit of "this reading is right"
    strength: Tensor  # (N,) logit of how strong the smile is, if there is one


class AffectHead(nn.Module):
    """All outputs from one embedding: 13 linear read-outs, of which presence and strength make the intensity.

    raw intensity = presence · (FLOOR + (1 − FLOOR) · strength), then piecewise linear so that the calibrated `knots`
    (raw intensities at which people see the next level begin) become LEVEL_BOUNDS.
    """

    level_slope: Tensor
    thresholds: Tensor
    knots: Tensor
    bounds: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, READ_OUTS)
        self.register_buffer('knots', torch.tensor(LEVEL_BOUNDS))  # fitted after training
        self.register_buffer('level_slope', torch.tensor(1.0))  # fitted after training; any keeps the likeliest level
        self.register_buffer('thresholds', thresholds(), persistent=False)
        self.register_buffer('bounds', torch.tensor((0.0, *LEVEL_BOUNDS, 1.0)), persistent=False)

    def forward(self, embedding: Tensor) -> AffectOutput:
        """Outputs of embeddings (..., E)."""
        return self.read(self.linear(embedding))

    def read(self, raw: Tensor) -> AffectOutput:
        """The outputs that read-outs (..., READ_OUTS) mean."""
        smiling, strength = raw[..., 0], raw[..., 1]
        intensity = self.calibrated(torch.sigmoid(smiling) * (FLOOR + (1 - FLOOR) * torch.sigmoid(strength)))
        score = torch.logit(intensity.clamp(LEAST, 1 - LEAST))
        affect = torch.tanh(raw[..., 10:12])
        return AffectOutput(
            score, intensity, self.levels_of(score), smiling, raw[..., 2:10], affect, raw[..., 12], strength
        )

    def calibrated(self, raw: Tensor) -> Tensor:
        """Intensities at which `knots` have become LEVEL_BOUNDS; raw intensities (...) in [0, 1]."""
        ends = torch.cat([self.knots.new_zeros(1), self.knots, self.knots.new_ones(1)])
        parts = ((raw[..., None] - ends[:-1]) / ends.diff()).clamp(0, 1)
        return (parts * self.bounds.diff()).sum(-1)

    def levels_of(self, score: Tensor) -> Tensor:
        """(..., 4) probabilities of the levels at scores (...).

        Those of one's intensity, made surer or less sure by an exponent: the likeliest stays the one in which the
        intensity lies.
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
        self.temporal_head = nn.Linear(hidden, READ_OUTS)
        nn.init.zeros_(self.temporal_head.weight)
        nn.init.zeros_(self.temporal_head.bias)

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

    def over_time(
        self, embeddings: Tensor, gaps_s: Tensor, state: Tensor | None = None, keep: Tensor | None = None
    ) -> tuple[AffectOutput, Tensor]:
        """T frames of N faces: embeddings (N, T, E), gaps_s (N, T); outputs (N, T, ...) and the last state.

        The recurrent layers correct what the head reads from each frame, so grading on single pictures is kept.
        `keep` (N, T, E) multiplies what the recurrent layers see (dropout in training).
        """
        state = self.initial_state(len(embeddings)) if state is None else state
        seen = embeddings if keep is None else embeddings * keep
        hidden, state = self._recur(seen, gaps_s, state)
        raw = self.head.linear(embeddings) + self.temporal_head(hidden)
        return self.head.read(raw), state.transpose(0, 1)

    def hidden_of(self, embeddings: Tensor, gaps_s: Tensor) -> Tensor:
        """Outputs (N, T, hidden) of the recurrent layers for T frames of N faces, which `temporal_head` reads."""
        return self._recur(embeddings, gaps_s, self.initial_state(len(embeddings)))[0]

    def _recur(self, seen: Tensor, gaps_s: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        aged = torch.log2(gaps_s.clamp(1e-3, LONGEST_GAP_S) / USUAL_GAP_S) / 4
        x = torch.cat([seen, aged[..., None]], -1)
        hidden, state = self.recurrent(x, state.transpose(0, 1).contiguous())
        return hidden, state

    def last_of(self, embeddings: Tensor, gaps_s: Tensor) -> AffectOutput:
        """Outputs (N rows) of the last frame of windows (N, T, E) with gaps in s (N, T), from the initial state."""
        output, _ = self.over_time(embeddings, gaps_s)
        return AffectOutput(*(part[:, -1] for part in output))

    def levels_of(self, intensity: Tensor) -> Tensor:
        """Level probabilities (N, 4) of intensities (N,) that were changed after inference."""
        return self.head.levels_of(torch.logit(intensity.clamp(1e-4, 1 - 1e-4)))

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
