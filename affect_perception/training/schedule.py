"""The learning rate of each step, and what stops a run that goes wrong."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from affect_perception.errors import AffectPerceptionError


class TrainingDiverged(AffectPerceptionError):
    """The loss is no number any more; the text names the step, the batch and what to try."""


def one_cycle(step: int, steps: int, warm_up: float, highest: float) -> float:
    """One cycle (Smith & Topin 2018): a cosine up over the share `warm_up` of the steps, a cosine down to nothing."""
    rise = warm_up * steps
    if step < rise:
        return highest * (1 - math.cos(math.pi * (step + 1) / (rise + 1))) / 2
    return highest * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1))) / 2


def refuse_nan(loss: Tensor, step: int, batch: str, settings: Any) -> None:
    """TrainingDiverged, with the step and the batch, when the loss is no number."""
    if not loss.isfinite():
        raise TrainingDiverged(
            f'the loss is {loss.item()} at step {step}, batch {batch}; '
            f'try a lower learning_rate than {settings.learning_rate}, or bf16: false'
        )
