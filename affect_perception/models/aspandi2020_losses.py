"""Losses, class weights and image corruptions of Aspandi et al. 2020; `aspandi2020` says how eq. 1 to 10 are read."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from affect_perception.models.blocks.objectives import ccc, known, pearson

CORRUPTIONS = ('blur', 'noise', 'downsampling', 'colour')
BLUR_SIGMA = (0.5, 3.0)  # px at 112 px
NOISE_DEVIATION = (0.02, 0.2)  # of pixels in [0, 1]
DOWNSAMPLING = (2, 4, 8)
COLOUR_FACTOR = (0.4, 1.6)


def adversarial_loss(logits: Tensor, real: bool) -> Tensor:
    """Mean of −log CD for `real` and of −log(1 − CD) otherwise, over patch logits (eq. 1)."""
    return functional.softplus(-logits if real else logits).mean()


def affect_loss(affect: Tensor, wanted: Tensor, weight: Tensor | None = None) -> Tensor:
    """RMSE + (1 − COR) + (1 − CCC) of valence and arousal (N, 2), each label with its weight (N, 2) (eq. 5 to 8).

    Labels of NaN do not count; correlations need two labels, RMSE one. Without any: 0.
    """
    x, y, there = known(affect, wanted)
    share = there if weight is None else there * weight
    total = share.sum(0).clamp_min(1e-8)
    rmse = ((share * (x - y).square()).sum(0) / total + 1e-8).sqrt()
    count = there.sum(0)
    correlations = (1 - pearson(affect, wanted, 0, weight)) + (1 - ccc(affect, wanted, 0, weight))
    return (rmse * (count >= 1) + correlations * (count >= 2)).mean()


def class_weights(wanted: Tensor, bins: int, reference: Tensor | None = None) -> Tensor:
    """Weights (N, 2) of labels (N, 2) in [-1, 1]: inverse frequency of their class among `bins` equal intervals.

    Frequencies are those of `reference` (M, 2), the training set, or of the labels themselves; over the reference the
    mean weight is 1. 0 for NaN; a class that the reference lacks counts as one with a single label.
    """
    reference = wanted if reference is None else reference
    weights = torch.zeros_like(wanted)
    for column in range(wanted.shape[1]):
        seen = reference[:, column]
        counts = torch.bincount(_bins(seen[~seen.isnan()], bins), minlength=bins).clamp_min(0)
        occupied = int((counts > 0).sum())
        there = ~wanted[:, column].isnan()
        per_class = counts.sum() / (max(occupied, 1) * counts.clamp_min(1))
        weights[there, column] = per_class[_bins(wanted[there, column], bins)].to(weights.dtype)
    return weights


def _bins(values: Tensor, bins: int) -> Tensor:
    return ((values + 1) / 2 * bins).long().clamp(0, bins - 1)


def corrupt(images: Tensor, generator: torch.Generator, kind: str | None = None) -> Tensor:
    """Corrupt images (N, 3, H, W) in [-1, 1], each with one of CORRUPTIONS at a random strength, or all with `kind`."""
    result = []
    for image in images:
        chosen = kind or CORRUPTIONS[int(torch.randint(len(CORRUPTIONS), (), generator=generator))]
        result.append(_CORRUPTIONS[chosen](image, generator).clamp(-1, 1))
    return torch.stack(result)


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _blur(image: Tensor, generator: torch.Generator) -> Tensor:
    sigma = max(_uniform(*BLUR_SIGMA, generator) * image.shape[-1] / 112, BLUR_SIGMA[0])
    radius = min(max(round(3 * sigma), 1), image.shape[-1] - 1, image.shape[-2] - 1)
    place = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-place.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    padded = functional.pad(image[None], [radius] * 4, mode='reflect')
    rows = functional.conv2d(padded, kernel, groups=3)
    return functional.conv2d(rows, kernel.transpose(2, 3), groups=3)[0]


def _noise(image: Tensor, generator: torch.Generator) -> Tensor:
    deviation = 2 * _uniform(*NOISE_DEVIATION, generator)  # pixels span 2
    return image + deviation * torch.randn(image.shape, generator=generator).to(image.device)


def _downsample(image: Tensor, generator: torch.Generator) -> Tensor:
    factor = DOWNSAMPLING[int(torch.randint(len(DOWNSAMPLING), (), generator=generator))]
    side = [max(size // factor, 1) for size in image.shape[-2:]]
    small = functional.interpolate(image[None], side, mode='bilinear', antialias=True, align_corners=False)
    return functional.interpolate(small, list(image.shape[-2:]), mode='bilinear', align_corners=False)[0]


def _colour(image: Tensor, generator: torch.Generator) -> Tensor:
    return (image + 1) * _uniform(*COLOUR_FACTOR, generator) - 1


_CORRUPTIONS = {'blur': _blur, 'noise': _noise, 'downsampling': _downsample, 'colour': _colour}
