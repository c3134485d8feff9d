"""Base classes of the networks in MODELS: what training, inference and benchmarks call.

A network is a CNN (`features`: prepared crops to embeddings) and read-outs of the embeddings. Inference backends
replace `features` alone, which is nearly all of the work. E below is `embedding_size`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

Model = TypeVar('Model', bound='FaceModel')


class FaceOutput(Protocol):
    """Named tuple of tensors with one row per face; these two are in the output of every network."""

    @property
    def levels(self) -> Tensor:
        """(N, 4) probabilities of the four smile levels; a row sums to 1."""

    @property
    def intensity(self) -> Tensor:
        """(N,) smile intensity in [0, 1]."""


class FaceModel(nn.Module):
    """Network that reads the face crops of single images; `head` maps embeddings (N, E) to a FaceOutput."""

    settings: dict[str, Any]  # keyword arguments that build the same network; checkpoints hold them
    embedding_size: int
    head: nn.Module
    expressions: tuple[str, ...] = ()  # names of the columns of its expression probabilities; empty without such a head
    reactions: tuple[str, ...] = ()  # names of the columns of its reaction intensities; likewise

    @abstractmethod
    def preprocess(self, crops: Tensor) -> Tensor:
        """Prepare uint8 RGB crops (N, S, S, 3) of any side S; returns the network input (N, C, H, W) float32."""

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Run the CNN on network input (N, C, H, W); returns embeddings (N, E)."""

    @abstractmethod
    def levels_of(self, intensity: Tensor) -> Tensor:
        """Level probabilities (N, 4) of intensities (N,) that were changed after inference (neutral baseline)."""

    @abstractmethod
    def fold(self: Model) -> Model:
        """Merge what can be merged for speed (batch normalisation), switch to eval mode and return the network.

        Same outputs; the network can no longer be trained.
        """


class TemporalModel(FaceModel):
    """Network with layers over time on top of the embeddings; the state of each track is kept by the caller.

    `memory` names what an output is based on: `track` (all frames of the track), `frames` (a window of frames), `clip`
    (a window of seconds) or `frame` (the frame alone).
    """

    memory: str = 'track'

    @abstractmethod
    def initial_state(self, faces: int) -> Tensor:
        """State (faces, ...) of tracks without any frame so far."""

    @abstractmethod
    def advance(self, embedding: Tensor, gap_s: Tensor, state: Tensor) -> tuple[FaceOutput, Tensor]:
        """Process one frame of N tracks: embeddings (N, E), gaps (N,) and states (N, ...) before it.

        A gap is the time in s since the track's last frame, arbitrary for its first. Returns outputs of N rows and the
        new states.
        """

    @abstractmethod
    def over_time(self, embeddings: Tensor, gaps_s: Tensor) -> tuple[FaceOutput, Tensor | None]:
        """Process T frames of N tracks, as in training: embeddings (N, T, E), gaps in s (N, T).

        Returns outputs (N, T, ...) and the last state, None for a network whose state is a window of frames.
        """

    @abstractmethod
    def last_of(self, embeddings: Tensor, gaps_s: Tensor) -> FaceOutput:
        """Outputs (N rows) of the last frame of windows (N, T, E) with gaps in s (N, T), from the initial state."""
