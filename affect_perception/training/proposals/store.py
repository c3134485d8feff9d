"""Scored pictures on a device: the newest `capacity` of them, drawn more often where a face is missed."""

from __future__ import annotations

import torch
from torch import Tensor

_MOST = 4.0  # weight of a picture, at most


class ScoredStore:
    """Canvases and targets of up to `capacity` pictures; a full store replaces the oldest."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._next = 0
        self.seen = 0  # pictures added so far
        self._tensors: tuple[Tensor, Tensor, Tensor] | None = None

    def __len__(self) -> int:
        return min(self.seen, self._capacity)

    def add(self, canvases: Tensor, wanted: Tensor) -> None:
        """Add canvases (N, 3, H, W) uint8 and targets (N, LEVELS, h, w) float16, N at most the capacity."""
        if self._tensors is None:
            kept, scores = (v.new_empty((self._capacity, *v.shape[1:])) for v in (canvases, wanted))
            self._tensors = kept, scores, torch.ones(self._capacity, device=canvases.device)
        kept, scores, weights = self._tensors
        before_end = self._capacity - self._next
        for first, last in ((0, before_end), (before_end, len(canvases))):
            at = (self._next + first) % self._capacity
            part = canvases[first:last]
            place = slice(at, at + len(part))
            kept[place], scores[place] = part, wanted[first:last]
            weights[place] = 2.0
        self._next = (self._next + len(canvases)) % self._capacity
        self.seen += len(canvases)

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw pictures: their places (count,), canvases and targets."""
        assert self._tensors is not None
        canvases, wanted, weights = self._tensors
        # By inversion: multinomial takes no more than 2^24 weights and is slow on many.
        sums = weights[: len(self)].cumsum(0)
        at = torch.rand(count, device=weights.device) * sums[-1]
        places = torch.searchsorted(sums, at).clamp(max=len(self) - 1)
        return places, canvases[places], wanted[places]

    def record(self, places: Tensor, missed: Tensor) -> None:
        """Set the weights of pictures by the faces that were missed in them: from 1, half a part for each, to 4."""
        assert self._tensors is not None
        self._tensors[2][places] = (1 + 0.5 * missed.float()).clamp(max=_MOST)
