"""Drawn faces and morphs, and the settings of a training run that takes a second."""

import cv2
import numpy as np
import torch

from affect_perception.training.data.face_sets import Faces, affect_of, class_votes
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic.morphs import Morphs

TINY = TrainingSettings(
    epochs=2, ferplus_batch=8, lfw_batch=4, london_persons=2, crop_size=48, threads=1, bf16=False, save_every=3
)


def drawn_faces(n: int, seed: int) -> Faces:
    """n discs, alternately with a mouth that goes down and one that goes up; persons have one of each."""
    rng = np.random.default_rng(seed)
    smiling = np.arange(n) % 2 == 1
    crops = np.zeros((n, 48, 48), np.uint8)
    for crop, up in zip(crops, smiling, strict=True):
        crop[:] = rng.integers(20, 80)
        cv2.circle(crop, (24, 24), 20, 180, -1)
        cv2.ellipse(crop, (24, 28 if up else 38), (10, 7), 0, 0 if up else 180, 180 if up else 360, 40, 3)
    above = np.repeat(smiling[:, None], 3, 1).astype(np.float32)
    share = np.where(smiling, 0.9, 0.05).astype(np.float32)
    votes = np.stack([class_votes('happiness' if up else 'neutral') for up in smiling])
    return Faces(crops, share, above, np.array([str(i // 2) for i in range(n)]), votes, affect_of(votes))


def drawn_morphs(people: int, seed: int, count: int = 5) -> Morphs:
    """Discs whose mouth goes from straight to up."""
    rng = np.random.default_rng(seed)
    crops = np.zeros((people, count, 48, 48), np.uint8)
    for person in crops:
        person[:] = rng.integers(20, 80)
        for crop, curve in zip(person, np.linspace(1, 9, count), strict=True):
            cv2.circle(crop, (24, 24), 20, 180, -1)
            cv2.ellipse(crop, (24, 30), (10, round(curve)), 0, 0, 180, 40, 3)
    return Morphs(crops, np.array([f'person {i}' for i in range(people)]))


def same_state(a, b) -> bool:
    left, right = a._parts(), b._parts()
    return all(torch.equal(left[kind][name], right[kind][name]) for kind in left for name in left[kind])
