"""Augmentation of training images, each paper's own: brightness, cutout with jitter and rotation, four corruptions.

witzig2019 and parthasarathy2020 state none. `mirror` is no paper's. All chance comes from the generator of the step.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from affect_perception.models import qian2023, vielzeuf2018
from affect_perception.models.aspandi2020 import Aspandi2020
from affect_perception.models.aspandi2020_losses import corrupt
from affect_perception.models.qian2023 import Qian2023
from affect_perception.models.sequence_model import SequenceModel
from affect_perception.models.vielzeuf2018 import Vielzeuf2018


def augmented(model: SequenceModel, images: Tensor, generator: Generator) -> dict[str, Tensor]:
    """Entries of a training batch for network input (N, T, 3, H, W) or (N, 3, H, W): `images`, with `noisy` too."""
    if isinstance(model, Qian2023):
        return {'images': qian2023.brighten(images, generator)}
    if isinstance(model, Vielzeuf2018):
        flat = images.reshape(-1, *images.shape[-3:])
        return {'images': vielzeuf2018.augment(flat, generator).reshape(images.shape)}
    if isinstance(model, Aspandi2020) and model.stage != 'disc':
        return {'images': images, 'noisy': corrupt(images, generator)}
    return {'images': images}


def mirrored(images: Tensor, generator: Generator) -> Tensor:
    """Mirror every other sample of images (N, ..., W), all its frames alike."""
    flip = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(flip.reshape(-1, *[1] * (images.dim() - 1)), images.flip(-1), images)
