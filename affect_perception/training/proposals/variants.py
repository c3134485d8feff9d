"""Variants of composed pictures on a device, before dlib scores them: other positions, sizes, light, blur and noise."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

_GREYS = 255.0
Draw = Callable[[int], Tensor]


@torch.inference_mode()
def variants(pictures: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Map (N, 3, H, W) uint8 to (N · count, 3, H, W) float32, whole numbers to 255; the first of each lies as given."""
    given = torch.arange(len(pictures) * count, device=pictures.device) % count == 0
    repeated = pictures.float().repeat_interleave(count, 0)
    moved = F.grid_sample(repeated, _grid(repeated, given, random), padding_mode='reflection', align_corners=False)
    return _taken(moved, random).clamp_(0, _GREYS).round_()


def _grid(pictures: Tensor, given: Tensor, random: torch.Generator) -> Tensor:
    """Sampling grid: mirrored, turned by 8° and zoomed by a quarter at most or so, shifted."""
    height, width = pictures.shape[2:]
    normal, uniform = _draws(len(pictures), pictures.device, random)
    angle = 0.14 * normal(1)
    zoom = torch.exp(0.5 * (uniform(1) - 0.5) + 0.05 * normal(2))
    mirror = torch.where(uniform(1) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    ratio = height / width
    first = torch.cat([cos * zoom[:, :1] * mirror, -sin * ratio * zoom[:, 1:]], 1)
    second = torch.cat([sin / ratio * zoom[:, :1] * mirror, cos * zoom[:, 1:]], 1)
    shift = 0.3 * (uniform(2) - 0.5)
    theta = torch.cat([torch.stack([first, second], 1), shift[:, :, None]], 2)
    same = torch.eye(2, 3, device=pictures.device).expand_as(theta)
    theta = torch.where(given[:, None, None], same, theta)
    return F.affine_grid(theta, list(pictures.shape), align_corners=False)


def _taken(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Blur, exposure, colours and noise; one in eight is dark."""
    normal, uniform = _draws(len(pictures), pictures.device, random)

    def each(values: Tensor) -> Tensor:
        return values[:, :, None, None]

    coarse = F.interpolate(F.avg_pool2d(pictures, 2), pictures.shape[2:], mode='bilinear', align_corners=False)
    pictures = torch.lerp(pictures, coarse, each(uniform(1) * (uniform(1) < 0.15)))
    pictures = (pictures.clamp(0, _GREYS) / _GREYS) ** each(torch.exp(0.2 * normal(1)))
    dark = torch.where(uniform(1) < 0.12, 0.15 + 0.4 * uniform(1), torch.ones_like(uniform(1)))
    gain = dark * torch.exp(0.12 * normal(1) + 0.04 * normal(3))
    spread = uniform(1) * 12 * (uniform(1) < 0.4)
    noise = torch.randn(pictures.shape, generator=random, device=pictures.device)
    return pictures * each(gain) * _GREYS + each(6 * normal(1)) + noise * each(spread)


def _draws(count: int, device: torch.device, random: torch.Generator) -> tuple[Draw, Draw]:
    """Two functions of a number n that give normal and uniform random numbers (count, n)."""
    return (
        lambda n: torch.randn((count, n), generator=random, device=device),
        lambda n: torch.rand((count, n), generator=random, device=device),
    )
