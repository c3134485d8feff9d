"""Softer labels from an earlier network: what it says of each augmented picture, mixed into what annotators said.

Ten votes are a noisy share, and LFW has one class by few annotators; a network that has seen all of them agrees with
the next annotator more than one of them does. A student that learns from both ends above its teacher (born-again
networks, Furlanello et al. 2018), most of all when both see the same augmented picture (Beyer et al. 2022).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from affect_perception.errors import ConfigError
from affect_perception.models import checkpoint
from affect_perception.models.face_model import FaceModel
from affect_perception.models.smile_va import EXPRESSIONS
from affect_perception.training.data.batches import Batch
from affect_perception.training.settings import TrainingSettings


def teacher_of(settings: TrainingSettings, device: torch.device | str) -> FaceModel | None:
    """The teacher of the settings on `device`, None without one; ConfigError for a network that cannot teach."""
    if not settings.teacher:
        return None
    model = checkpoint.load(settings.teacher).model
    if getattr(model, 'expressions', ()) != EXPRESSIONS:
        raise ConfigError(
            f'{settings.teacher} reads no expressions and cannot teach; set `teacher` to smile_va or nothing'
        )
    teacher = model.fold().requires_grad_(False)
    teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    return teacher


@torch.no_grad()
def taught(batch: Batch, teacher: torch.nn.Module, x: Tensor, settings: TrainingSettings) -> Batch:
    """`batch` whose targets are a mean of what they were and what the teacher says of the network inputs `x`.

    Where a share or votes are unknown they stay so, and no picture without a face is changed.
    """
    network = cast(FaceModel, teacher)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=settings.bf16):
        embedding = network.features(x)
    said, weight = network.head(embedding.float()), settings.teacher_weight

    def mixed(target: Tensor, answer: Tensor) -> Tensor:
        return (1 - weight) * target + weight * answer  # NaN stays NaN

    return batch._replace(
        share=mixed(batch.share, torch.sigmoid(said.smiling)),
        strength=mixed(batch.strength, torch.sigmoid(said.strength)),
        votes=mixed(batch.votes, torch.softmax(said.expression, -1)),
    )
