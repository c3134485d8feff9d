"""Window of the last seconds of a track, in slots of equal length with one frame each, for networks that read clips.

The state of a face is (slots, E + 3), oldest slot first: embedding, score, 1 where a frame exists, and the time in s
since the slot began. A slot keeps its frame with the highest score, the first one among equals. With frames at a
constant rate the slots are the equal chunks of a clip, so the output is that of the clip. A pause leaves no empty slot.
"""

from __future__ import annotations

import torch
from torch import Tensor

TOLERANCE_S = 1e-4  # of the end of a slot: float32 sums of gaps


def empty(like: Tensor, faces: int, slots: int, size: int) -> Tensor:
    """State (faces, slots, size + 3) of tracks without frames, on the device of `like`."""
    return like.new_zeros(faces, slots, size + 3)


def begins(state: Tensor, gap_s: Tensor, slot_s: float) -> Tensor:
    """Mask (N,) of states (N, slots, E + 3) in which a frame `gap_s` (N,) after the last one begins a new slot."""
    newest = state[:, -1]
    return (newest[:, -2] <= 0) | (newest[:, -1] + gap_s >= slot_s - TOLERANCE_S)


def push(state: Tensor, embedding: Tensor, score: Tensor, gap_s: Tensor, slot_s: float) -> Tensor:
    """Add frames (N, E) with scores (N,) and gaps in s (N,) to states (N, slots, E + 3); returns new states."""
    newest = state[:, -1]
    age = newest[:, -1] + gap_s
    exists = newest[:, -2] > 0
    new = begins(state, gap_s, slot_s)
    # The rest of the gap belongs to the new slot, so that slots do not drift; a pause begins a slot of its own.
    rest = age - slot_s
    in_slot = torch.where(exists & (rest < slot_s - TOLERANCE_S), rest.clamp_min(0), torch.zeros_like(rest))
    row = torch.cat([embedding, score[:, None], torch.ones_like(score)[:, None], in_slot[:, None]], 1)
    shifted = torch.cat([state[:, 1:], row[:, None]], 1)
    better = torch.where((score > newest[:, -3])[:, None], row, newest)
    kept = torch.cat([state[:, :-1], torch.cat([better[:, :-1], age[:, None]], 1)[:, None]], 1)
    return torch.where(new[:, None, None], shifted, kept)


def frames(state: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings (N, slots, E) of states (N, slots, E + 3) and their mask (N, slots)."""
    return state[..., :-3], state[..., -2] > 0


def evenly_spaced(length: int, count: int) -> Tensor:
    """Indices (count,) of evenly spaced frames of a clip of `length` frames; a short clip repeats frames."""
    return (torch.arange(count) * length) // count


def best_of_chunks(scores: Tensor, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Index of the frame with the highest score in each of `count` equal chunks of clips (N, L), and its mask.

    Chunks divide the frames inside the mask (N, L); those of a clip of fewer frames than `count` may be empty and are
    masked.
    """
    place, length = mask.cumsum(1) - 1, mask.sum(1, keepdim=True).clamp_min(1)
    chunk = (place * count) // length  # (N, L), of the frames that exist
    member = torch.arange(count, device=scores.device)[:, None] == chunk[:, None]  # (N, count, L)
    candidates = scores[:, None].masked_fill(~(member & mask[:, None]), -torch.inf)
    best, index = candidates.max(2)
    return index, best > -torch.inf
