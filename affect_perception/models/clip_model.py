"""Base class of networks that read clips: live, windows of the last seconds of each track (`blocks/clip_window.py`)."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from affect_perception.models.blocks import clip_window
from affect_perception.models.sequence_model import SequenceModel, SequenceOutput


class ClipModel(SequenceModel):
    """Network over `inputs.frames` frames of a clip; live, one frame per slot of window_s / frames seconds.

    `push` adds a frame to the windows of N tracks, `read` computes the outputs of the windows: separate, so that a
    caller may read less often than frames arrive.
    """

    memory = 'clip'
    selects = False  # whether a slot keeps its frame with the highest `score`; else its first, and others need no CNN

    @property
    def slot_s(self) -> float:
        """Length of a slot in s."""
        return self.inputs.window_s / self.inputs.frames

    def score(self, embeddings: Tensor) -> Tensor:
        """Score (...) of frames (..., E) for the selection within a slot."""
        return torch.zeros_like(embeddings[..., 0])

    def initial_state(self, faces: int) -> Tensor:
        """State (faces, frames, E + 3) of `clip_window`, on the device of the network."""
        return clip_window.empty(next(self.parameters()), faces, self.inputs.frames, self.embedding_size)

    def wanted(self, gap_s: Tensor, state: Tensor) -> Tensor:
        """Mask (N,) of the tracks whose next frame, `gap_s` (N,) after the last one, needs an embedding."""
        return torch.ones_like(gap_s, dtype=torch.bool) if self.selects else self.begins(gap_s, state)

    def begins(self, gap_s: Tensor, state: Tensor) -> Tensor:
        """Mask (N,) of the tracks whose next frame begins a slot."""
        return clip_window.begins(state, gap_s, self.slot_s)

    def push(self, embedding: Tensor, gap_s: Tensor, state: Tensor) -> Tensor:
        """New states (N, frames, E + 3) with frames (N, E) added; embeddings that are not `wanted` are arbitrary."""
        return clip_window.push(state, embedding, self.score(embedding), gap_s, self.slot_s)

    @abstractmethod
    def read(self, state: Tensor, embedding: Tensor, audio: Tensor | None = None) -> SequenceOutput:
        """Outputs of the windows of N tracks; `embedding` (N, E) of their newest frames, `audio` of the windows."""

    def advance(
        self, embedding: Tensor, gap_s: Tensor, state: Tensor, audio: Tensor | None = None
    ) -> tuple[SequenceOutput, Tensor]:
        """Add a frame of N tracks to their windows and read them; outputs and new states."""
        state = self.push(embedding, gap_s, state)
        return self.read(state, embedding, audio), state
