"""Drawn faces and morphs, and the settings of a training run that takes a second."""

import cv2
import numpy as np
import torch

from affect_perception.training.data.face_sets import Faces, affect_of, class_votes
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic.morphs import Morphs

TINY = TrainingSettings(
    epochs=2,
    ferplus_batch=8,
    lfw_batch=4,
    diffusionfer_batch=4,
    portraits_batch=0,
    london_persons=2,
    no_face_batch=2,
    no_faces=6,
    crop_size=48,
    threads=1,
    bf16=False,
    save_every=3,
    graded_films=6,
    graded_frames=10,
    still_films=12,
    still_frames=5,
    film_epochs=2,
    film_batch=2,
    morph_steps=5,
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
    share = np.where(smiling, 0.9, 0.05).astype(np.float32)
    votes = np.stack([class_votes('happiness' if up else 'neutral') for up in smiling])
    person, coefficients = np.array([str(i // 2) for i in range(n)]), rng.random((n, 52)).astype(np.float32)
    raw = np.where(smiling, rng.uniform(0.3, 1.8, n), 0.0).astype(np.float32)
    return Faces(crops, share, person, votes, affect_of(votes), coefficients, raw, np.linspace(-20, 60, n))


def drawn_morphs(people: int, seed: int, count: int = 5) -> Morphs:
    """Discs whose mouth goes from straight to up."""
    rng = np.random.default_rng(seed)
    crops = np.zeros((people, count, 48, 48), np.uint8)
    for person in crops:
        person[:] = rng.integers(20, 80)
        for crop, curve in zip(person, np.linspace(1, 9, count), strict=True):
            cv2.circle(crop, (24, 24), 20, 180, -1)
            cv2.ellipse(crop, (24, 30), (10, round(curve)), 0, 0, 180, 40, 3)
    raw = np.tile(np.linspace(0, 1.5, count, dtype=np.float32), (people, 1))
    return Morphs(crops, np.array([f'person {i}' for i in range(people)]), np.full(people, 50.0), raw)


def drawn_sets() -> dict:
    """All sets, small, in their three splits."""
    sizes = {'train': 24, 'val': 12, 'test': 12}
    names = ('FER+', 'LFW', 'London', 'DiffusionFER', 'Portraits')
    stills = {
        name: {split: drawn_faces(n, seed) for seed, (split, n) in enumerate(sizes.items(), 10 * k)}
        for k, name in enumerate(names)
    }
    return stills | {'Morphs': {split: drawn_morphs(n // 4, seed) for seed, (split, n) in enumerate(sizes.items())}}


def same_state(a, b) -> bool:
    left, right = a._parts(), b._parts()
    return all(torch.equal(left[kind][name], right[kind][name]) for kind in left for name in left[kind])
