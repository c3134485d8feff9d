"""Softer labels from an earlier network: what it says of the training pictures, mixed into what annotators said.

Ten votes are a noisy share, and LFW has one class by few annotators; a network that has seen all of them agrees with
the next annotator more than one of them does. A student that learns from both ends above its teacher (born-again
networks, Furlanello et al. 2018). Only training splits are changed.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.models import checkpoint
from affect_perception.models.smile_va import EXPRESSIONS
from affect_perception.training.data.face_sets import Faces, Sets
from affect_perception.training.scoring.stills import predict
from affect_perception.training.settings import TrainingSettings


def with_teacher(sets: Sets, settings: TrainingSettings) -> Sets:
    """The sets with `settings.teacher_weight` of the teacher in the targets of all training stills that have votes."""
    if not settings.teacher:
        return sets
    model = checkpoint.load(settings.teacher).model
    if getattr(model, 'expressions', ()) != EXPRESSIONS:
        raise ConfigError(
            f'{settings.teacher} reads no expressions and cannot teach; set `teacher` to smile_va or nothing'
        )
    taught = {
        name: splits | {'train': softened(splits['train'], model, settings.teacher_weight)}
        for name, splits in sets.items()
        if name != 'Morphs'
    }
    return sets | taught


def softened(faces: Faces, model, weight: float) -> Faces:
    """`faces` whose share of happiness and votes are a mean of what they were and what `model` says of them.

    The model looks at each picture and at its mirror image. Rows without votes stay as they are.
    """
    views = [predict(model, crops) for crops in (faces.crops, np.ascontiguousarray(faces.crops[:, :, ::-1]))]
    smiling = np.mean([view.smiling for view in views], 0)
    logits = np.mean([view.expression for view in views], 0)
    said = np.exp(logits - logits.max(1, keepdims=True))
    said /= said.sum(1, keepdims=True)
    asked = ~np.isnan(faces.votes).any(1)
    votes, share = faces.votes.copy(), faces.share.copy()
    votes[asked] = (1 - weight) * votes[asked] + weight * said[asked]
    share[asked] = (1 - weight) * share[asked] + weight * smiling[asked]
    return dataclasses.replace(faces, votes=votes, share=share)
