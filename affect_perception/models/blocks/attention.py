"""Attention layers of Vaswani et al. 2017, with the queries, keys and values in reach of a streaming cache."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, heads: int, dropout: float) -> Tensor:
    """Scaled dot-product attention of (N, T, C) in `heads` heads to the masked frames; a row without any sees all."""
    mask = mask | ~mask.any(1, keepdim=True)
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    attended = functional.scaled_dot_product_attention(q, k, v, mask[:, None, None], dropout_p=dropout)
    return attended.transpose(1, 2).flatten(2)


def positions(mask: Tensor, size: int) -> Tensor:
    """Sinusoidal positions (N, T, size), counted from 0 over the masked frames (N, T)."""
    place = (mask.cumsum(1) - 1).clamp_min(0).float()[..., None]
    rate = torch.exp(torch.arange(0, size, 2, device=mask.device) * (-math.log(10000.0) / size))
    angle = place * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(2)[..., :size]


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward part, each with residual connection and layer normalisation after it."""

    def __init__(self, size: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size)
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.wide, self.narrow = nn.Linear(size, feedforward), nn.Linear(feedforward, size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor, qkv: Tensor | None = None) -> Tensor:
        """Apply to (N, T, C) with mask (N, T); `qkv` (N, T, 3 C) are its queries, keys and values, if known."""
        query, key, value = (self.qkv(x) if qkv is None else qkv).chunk(3, -1)
        attended = attend(query, key, value, mask, self.heads, self.dropout.p if self.training else 0.0)
        x = self.norm1(x + self.dropout(self.out(attended)))
        normed: Tensor = self.norm2(x + self.dropout(self.narrow(functional.relu(self.wide(x)))))
        return normed


class CrossAttentionLayer(nn.Module):
    """Attention with queries of one modality to keys and values of the other; residual connection, normalisation."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value = nn.Linear(size, size), nn.Linear(size, 2 * size)
        self.out = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, other: Tensor, mask: Tensor) -> Tensor:
        """Let frames (N, T, C) attend to those of the other modality (N, T, C) inside the mask (N, T)."""
        key, value = self.key_value(other).chunk(2, -1)
        attended = attend(self.query(x), key, value, mask, self.heads, self.dropout.p if self.training else 0.0)
        normed: Tensor = self.norm(x + self.dropout(self.out(attended)))
        return normed
