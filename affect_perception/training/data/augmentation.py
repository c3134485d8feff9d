"""Augmentation of a whole batch at once: what a live camera and an imperfect detector do to a face.

Everything works on (N, S, S) float pictures in 0..255 and takes its chances from the generator that is passed in, so
that a batch is a function of its seed. `strength` 0 changes nothing, 1 is meant for training.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

# Luminance quantisation table of the JPEG standard (ITU-T T.81, annex K.1), for quality 50.
_JPEG_TABLE = torch.tensor(
    [
        [int(step) for step in row.split()]
        for row in (
            '16 11 10 16  24  40  51  61',
            '12 12 14 19  26  58  60  55',
            '14 13 16 24  40  57  69  56',
            '14 17 22 29  51  87  80  62',
            '18 22 37 56  68 109 103  77',
            '24 35 55 64  81 104 113  92',
            '49 64 78 87 103 121 120 101',
            '72 92 95 98 112 100 103  99',
        )
    ],
    dtype=torch.float32,
)
_FREQUENCY, _PLACE = torch.arange(8.0)[:, None], torch.arange(8.0)[None]
_DCT = torch.cos((2 * _PLACE + 1) * _FREQUENCY * math.pi / 16) * torch.where(_FREQUENCY == 0, 8**-0.5, 0.5)


def augmented(pictures: Tensor, generator: Generator, strength: float = 1.0) -> Tensor:
    """(N, S, S) float pictures in 0..255 to as many, as a bad camera would have seen them."""
    if strength == 0:
        return pictures
    n = len(pictures)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * _random(generator, n)

    def some(share: float) -> Tensor:
        return torch.nonzero(_random(generator, n) < share * strength).squeeze(1)

    x = geometry(
        pictures,
        angle=uniform(-15, 15) * strength,
        scale=torch.exp(uniform(-0.16, 0.16) * strength),
        shift_x=uniform(-0.09, 0.09) * strength,
        shift_y=uniform(-0.09, 0.09) * strength,
        flip=uniform(0, 1) < 0.5,
    )
    x = lit_from_one_side(x, some(0.4), generator)
    x = exposure(x, uniform(-0.6, 0.9) * strength, uniform(-0.9, 0.35) * strength, uniform(-40, 30) * strength)
    x = occluded(x, some(0.2), generator)
    x = blurred(x, some(0.2), generator)
    for part in some(0.45).chunk(3):  # one size each
        side = int(20 + 36 * _random(generator, 1))
        x = x.index_copy(0, part, low_resolution(x[part], side))
    noise = uniform(0, 14) * strength * (uniform(0, 1) < 0.4)
    x = x + noise[:, None, None] * torch.randn(x.shape, generator=generator, device=x.device)
    coarse = some(0.3)
    quality = _random(generator, len(coarse)) * 4.5 + 0.5
    x = x.index_copy(0, coarse, jpeg(x[coarse], quality))
    return x.clamp(0, 255).round()


def geometry(x: Tensor, angle: Tensor, scale: Tensor, shift_x: Tensor, shift_y: Tensor, flip: Tensor) -> Tensor:
    """Rotate (degrees), scale, shift (shares of the side) and mirror each picture; borders are repeated."""
    turn = torch.deg2rad(angle)
    sign = torch.where(flip, -1.0, 1.0)
    cosine, sine = torch.cos(turn) / scale, torch.sin(turn) / scale
    rows = [torch.stack([cosine * sign, -sine, 2 * shift_x], 1), torch.stack([sine * sign, cosine, 2 * shift_y], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), [len(x), 1, *x.shape[1:]], align_corners=False)
    return functional.grid_sample(x[:, None], grid, padding_mode='border', align_corners=False)[:, 0]


def exposure(x: Tensor, log_gamma: Tensor, log_contrast: Tensor, brightness: Tensor) -> Tensor:
    """Gamma, contrast around the mean and brightness (grey values) of each picture, clipped as a sensor clips."""
    x = 255 * (x / 255).clamp(1e-4, 1) ** torch.exp(log_gamma)[:, None, None]
    mean = x.mean((1, 2), keepdim=True)
    x = (x - mean) * torch.exp(log_contrast)[:, None, None] + mean + brightness[:, None, None]
    return x.clamp(0, 255)


def lit_from_one_side(x: Tensor, which: Tensor, generator: Generator) -> Tensor:
    """The pictures `which` darkened towards one side, to a quarter of the light at most."""
    turn = _random(generator, len(which)) * 2 * math.pi
    darkest = 0.25 + 0.6 * _random(generator, len(which))
    y, z = torch.meshgrid(*[torch.linspace(-1, 1, x.shape[1], device=x.device)] * 2, indexing='ij')
    along = torch.cos(turn)[:, None, None] * y + torch.sin(turn)[:, None, None] * z
    light = 1 - (1 - darkest[:, None, None]) * ((1 + along) / 2).clamp(0, 1)
    return x.index_copy(0, which, x[which] * light)


def occluded(x: Tensor, which: Tensor, generator: Generator) -> Tensor:
    """A flat or noisy rectangle of up to 45 % of the side, anywhere, in the pictures `which`: hands, hair, cups."""
    side = x.shape[1]
    size = ((_random(generator, len(which), 2) * 0.35 + 0.1) * side).long()
    corner = (_random(generator, len(which), 2) * (side - size)).long()
    grey = _random(generator, len(which)) * 255
    place = torch.arange(side, device=x.device)
    inside = (place >= corner[..., None]) & (place < (corner + size)[..., None])  # (M, 2, S)
    mask = inside[:, 0, :, None] & inside[:, 1, None, :]
    fill = grey[:, None, None] + 15 * torch.randn(len(which), side, side, generator=generator, device=x.device)
    return x.index_copy(0, which, torch.where(mask, fill, x[which]))


def blurred(x: Tensor, which: Tensor, generator: Generator) -> Tensor:
    """Defocus or motion blur of the pictures `which`: a Gaussian of random widths and direction."""
    if not len(which):
        return x
    along = _random(generator, len(which)) * 2.5 + 0.4  # px, standard deviations
    across = along * _random(generator, len(which)) + 0.3
    turn = _random(generator, len(which)) * math.pi
    y, z = torch.meshgrid(*[torch.arange(-4.0, 5, device=x.device)] * 2, indexing='ij')
    cosine, sine = torch.cos(turn)[:, None, None], torch.sin(turn)[:, None, None]
    u, v = (y * cosine + z * sine) / along[:, None, None], (z * cosine - y * sine) / across[:, None, None]
    kernel = torch.exp(-(u * u + v * v) / 2)
    kernel = kernel / kernel.sum((1, 2), keepdim=True)
    padded = functional.pad(x[which][None], (4, 4, 4, 4), mode='replicate')
    return x.index_copy(0, which, functional.conv2d(padded, kernel[:, None], groups=len(which))[0])


def low_resolution(x: Tensor, side: int) -> Tensor:
    """As if the face had been `side` pixels wide: shrunk with averaging, and enlarged again as `crops.cut` does."""
    if not len(x):
        return x
    small = functional.interpolate(x[:, None], (side, side), mode='bilinear', antialias=True, align_corners=False)
    return functional.interpolate(small, x.shape[1:], mode='bilinear', align_corners=False)[:, 0]


def jpeg(x: Tensor, coarseness: Tensor) -> Tensor:
    """JPEG's loss: each 8×8 block's coefficients rounded to the standard table × `coarseness` (1: quality 50)."""
    n, side = len(x), x.shape[1]
    if not n:
        return x
    extra = -side % 8
    padded = functional.pad(x[:, None], (0, extra, 0, extra), mode='replicate')[:, 0] - 128
    count = padded.shape[1] // 8
    blocks = padded.reshape(n, count, 8, count, 8).transpose(2, 3)  # (N, rows, columns, 8, 8)
    dct = _DCT.to(x.device)
    step = _JPEG_TABLE.to(x.device) * coarseness[:, None, None, None, None]
    rounded = torch.round(dct @ blocks @ dct.T / step) * step
    restored = (dct.T @ rounded @ dct + 128).transpose(2, 3).reshape(n, 8 * count, 8 * count)
    return restored[:, :side, :side]


def degraded(x: Tensor, share: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """A `share` of the pictures (N, S, S) beyond reading, and which (N,): upside down or lying, half out of the picture
    or covered, the mouth masked, 8 to 18 px small, or smeared over an eighth to a third of the side."""
    unclear = _random(generator, len(x)) < share
    rows = torch.nonzero(unclear).squeeze(1)  # in the order of the sets: shuffled, so that each set gets every kind
    kinds = rows[torch.randperm(len(rows), generator=generator, device=generator.device)].chunk(6)
    side = x.shape[1]
    for kind, which in enumerate(kinds):
        if not len(which):
            continue
        part = x[which]
        amount = _random(generator, len(which))
        if kind == 0:
            part = part.flip(1) if float(amount[0]) < 0.6 else part.transpose(1, 2).flip(1)
        elif kind == 1:  # half a face: moved out of the picture by 35 to 60 % of the side, borders repeated
            shift = (0.7 + 0.5 * amount) * torch.where(_random(generator, len(which)) < 0.5, -1.0, 1.0)
            none = torch.zeros_like(shift)
            sideways = _random(generator, len(which)) < 0.7
            along, down = torch.where(sideways, shift, none) / 2, torch.where(sideways, none, shift) / 2
            part = geometry(part, none, none + 1, along, down, none > 1)
        elif kind == 2:  # half a face: covered by something flat
            edge = ((0.42 + 0.25 * amount) * side).long()[:, None]
            place = torch.arange(side, device=x.device)[None]
            hidden = torch.where(_random(generator, len(which))[:, None] < 0.5, place < edge, place >= side - edge)
            fill = 255 * _random(generator, len(which))
            part = torch.where(hidden[:, None, :], fill[:, None, None], part)
        elif kind == 3:  # a mask over mouth and nose
            edge = ((0.45 + 0.1 * amount) * side).long()[:, None]
            hidden = (torch.arange(side, device=x.device)[None] >= edge)[:, :, None]
            fill = 60 + 190 * _random(generator, len(which))
            part = torch.where(hidden, fill[:, None, None], part)
        elif kind == 4:
            for few in torch.arange(len(which), device=x.device).chunk(3):
                part[few] = low_resolution(part[few], int(8 + 10 * _random(generator, 1)))
        else:
            length = int(side * (0.12 + 0.2 * float(amount[0])))
            along = functional.avg_pool1d(part, 2 * (length // 2) + 1, 1, length // 2, count_include_pad=False)
            down = functional.avg_pool1d(
                part.transpose(1, 2), 2 * (length // 2) + 1, 1, length // 2, count_include_pad=False
            ).transpose(1, 2)
            part = torch.where((_random(generator, len(which)) < 0.6)[:, None, None], along, down)
        x = x.index_copy(0, which, part)
    return x, unclear


def _random(generator: Generator, *shape: int) -> Tensor:
    """Uniform in [0, 1) on the generator's device."""
    return torch.rand(*shape, generator=generator, device=generator.device)


def preview(pictures: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N, S, S) uint8 pictures above their augmented selves, one (2 S, N S) uint8 picture to look at."""
    x = augmented(torch.from_numpy(pictures).float(), Generator().manual_seed(seed)).byte().numpy()
    return np.concatenate([np.concatenate(list(pictures), 1), np.concatenate(list(x), 1)], 0)
