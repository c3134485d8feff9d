"""Augmentation that lets a thousand clean faces stand for others: other shapes, other mouths, other light and texture.

For networks that see few people and no photographs of the wild (domain randomisation, Tobin et al. 2017). As in
`augmentation.py` everything works on (N, S, S) float pictures in 0..255, and chances come from the generator.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

# Lower face in a crop, in shares of its side: centre (x, y), half width and height; lips, chin and lower cheeks.
CENTRE, HALF = (0.5, 0.72), (0.42, 0.28)
BEND = 0.02  # of the side, standard deviation of the places that are moved
POINTS = 4  # of them along each side; so few that a mouth keeps its curve


def randomised(x: Tensor, generator: Generator, strength: float = 1.0) -> Tensor:
    """Pictures of faces of another shape, in other light, through another lens; `strength` 0 changes nothing."""
    if strength == 0:
        return x

    def some(share: float) -> Tensor:
        return torch.nonzero(_random(generator, len(x)) < share * strength).squeeze(1)

    for share, change in ((0.7, bent), (0.5, toned), (0.35, filtered), (0.35, textured)):
        which = some(share)
        if len(which):
            x = x.index_copy(0, which, change(x[which], generator))
    return x


def bent(x: Tensor, generator: Generator) -> Tensor:
    """Pictures stretched, sheared and bent smoothly: wider, longer, turned and lopsided faces."""
    n, side = len(x), x.shape[1]
    moved = BEND * 2 * torch.randn(n, 2, POINTS, POINTS, generator=generator, device=x.device)
    field = functional.interpolate(moved, (side, side), mode='bicubic', align_corners=True)
    stretch = 1 + 0.09 * torch.randn(n, 2, generator=generator, device=x.device).clamp(-2, 2)
    shear = 0.06 * torch.randn(n, generator=generator, device=x.device)
    turn = 0.25 * torch.randn(n, generator=generator, device=x.device).clamp(-2, 2)  # nearer cheek wider than the other
    axis = torch.linspace(-1 + 1 / side, 1 - 1 / side, side, device=x.device)
    row, column = axis[None, :, None], axis[None, None, :]
    along = column * stretch[:, 0, None, None] + shear[:, None, None] * row
    along = along + turn[:, None, None] * (column.square() - 0.4) * 0.5
    down = row * stretch[:, 1, None, None] + 0 * column
    grid = torch.stack([along + field[:, 0], down + field[:, 1]], -1)
    return functional.grid_sample(x[:, None], grid, padding_mode='border', align_corners=False)[:, 0]


def toned(x: Tensor, generator: Generator) -> Tensor:
    """Pictures through a rising tone curve of five random steps: other films, sensors and skins."""
    steps = _random(generator, len(x), 5) + 0.15
    steps = 255 * steps / steps.sum(1, keepdim=True)
    low = 51.0 * torch.arange(5, device=x.device)
    parts = ((x[..., None] - low) / 51).clamp(0, 1)
    return (parts * steps[:, None, None]).sum(-1)


def filtered(x: Tensor, generator: Generator) -> Tensor:
    """Pictures mixed with themselves through a random 5×5 filter (Xu et al. 2021), of the same mean and contrast."""
    n = len(x)
    kernel = torch.randn(n, 1, 5, 5, generator=generator, device=x.device)
    padded = functional.pad(x[None], (2, 2, 2, 2), mode='replicate')
    made = functional.conv2d(padded, kernel, groups=n)[0]
    made = standardised(made) * _deviation(x) + x.mean((1, 2), keepdim=True)
    share = 0.45 * _random(generator, n)[:, None, None]
    return ((1 - share) * x + share * made).clamp(0, 255)


def textured(x: Tensor, generator: Generator) -> Tensor:
    """Pictures with patches of light and coarse grain, of 3 to 48 patches along a side."""
    n, side = len(x), x.shape[1]
    for cells, most in ((3, 0.35), (12, 0.12), (48, 0.08)):
        noise = torch.randn(n, 1, cells, cells, generator=generator, device=x.device)
        field = functional.interpolate(noise, (side, side), mode='bilinear', align_corners=False)[:, 0]
        x = x * torch.exp(most * _random(generator, n)[:, None, None] * field)
    return x.clamp(0, 255)


def with_other_mouths(x: Tensor, to: Tensor, of: Tensor) -> Tensor:
    """Pictures whose rows `to` (M,) have the lower face of the rows `of` (M,), in their own light, softly joined."""
    if not len(to):
        return x
    weight = lower_face(x.shape[1], x.device)
    mine, other = x[to], x[of]
    total = weight.sum()
    means = [(weight * part).sum((1, 2), keepdim=True) / total for part in (mine, other)]
    spreads = [
        ((weight * (part - mean).square()).sum((1, 2), keepdim=True) / total).sqrt() + 4
        for part, mean in zip((mine, other), means, strict=True)
    ]
    fitted = (other - means[1]) * (spreads[0] / spreads[1]).clamp(0.5, 2) + means[0]
    return x.index_copy(0, to, (mine + weight * (fitted - mine)).clamp(0, 255))


def lower_face(side: int, device: torch.device | str = 'cpu') -> Tensor:
    """(S, S) weight: 1 at mouth and lower cheeks, softly 0 at the eyes and the border."""
    place = (torch.arange(side, device=device) + 0.5) / side
    radius = torch.hypot((place[None] - CENTRE[0]) / HALF[0], (place[:, None] - CENTRE[1]) / HALF[1])
    return 0.5 + 0.5 * torch.cos(math.pi * ((radius - 0.75) / 0.4).clamp(0, 1))


def standardised(x: Tensor) -> Tensor:
    """Pictures of mean 0 and deviation 1."""
    return (x - x.mean((1, 2), keepdim=True)) / _deviation(x)


def _deviation(x: Tensor) -> Tensor:
    return x.std((1, 2), keepdim=True) + 1e-3


def _random(generator: Generator, *shape: int) -> Tensor:
    """Uniform in [0, 1) on the generator's device."""
    return torch.rand(*shape, generator=generator, device=generator.device)
