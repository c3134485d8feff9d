"""Softer labels from an earlier network: what it says of each augmented picture, mixed into what annotators said.

Ten votes are a noisy share, and LFW has one class by few annotators; a network that has seen all of them agrees with
the next annotator more than one of them does. A student that learns from both ends above its teacher (born-again
networks, Furlanello et al. 2018), most of all when both see the same augmented picture (Beyer et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from affect_perception.errors import ConfigError
from affect_perception.models import checkpoint
from affect_perception.models.face_model import FaceModel
from affect_perception.models.smile_va import EXPRESSIONS
from affect_perception.training.data.batches import Batch
from affect_perception.training.settings import TrainingSettings


def teachers_of(settings: TrainingSettings, device: torch.device | str) -> list[FaceModel]:
    """The teachers of the settings on `device`; ConfigError for a network that cannot teach."""
    names = [name.strip() for name in settings.teacher.split(',')]
    return [_teacher(name, device) for name in names if name]


def _teacher(name: str, device: torch.device | str) -> FaceModel:
    model = checkpoint.load(name).model
    if getattr(model, 'expressions', ()) != EXPRESSIONS:
        raise ConfigError(f'{name} reads no expressions and cannot teach; set `teacher` to smile_va or nothing')
    teacher = model.fold().requires_grad_(False)
    teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    return teacher


@torch.no_grad()
def taught(batch: Batch, teachers: Sequence[torch.nn.Module], x: Tensor, settings: TrainingSettings) -> Batch:
    """`batch` whose targets are a mean of what they were and the mean of what `teachers` say of the network inputs `x`.

    Where a share or votes are unknown they stay so, and no picture without a face is changed.
    """
    weight, said = settings.teacher_weight, []
    for network in (cast(FaceModel, teacher) for teacher in teachers):
        with torch.autocast(x.device.type, torch.bfloat16, enabled=settings.bf16):
            embedding = network.features(x)
        answer = network.head(embedding.float())
        said.append(
            (torch.sigmoid(answer.smiling), torch.sigmoid(answer.strength), torch.softmax(answer.expression, -1))
        )
    smiling, strength, votes = (torch.stack(part).mean(0) for part in zip(*said, strict=True))

    def mixed(target: Tensor, answer: Tensor) -> Tensor:
        return (1 - weight) * target + weight * answer  # NaN stays NaN

    return batch._replace(
        share=mixed(batch.share, smiling),
        strength=mixed(batch.strength, strength),
        votes=mixed(batch.votes, votes),
    )
