"""Pictures whose smile cannot be read, or hardly, and the confidence that a network gives them as a first frame."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch

from affect_perception.models.smile_va import SmileVa
from affect_perception.training.data.augmentation import low_resolution
from affect_perception.training.scoring.temporal_probe import first_looks_at
from affect_perception.training.synthetic import negatives

DRAWN = 100  # pictures of each drawn kind
QUANTILES = (0.05, 0.5, 0.95)


def unreadable(faces: np.ndarray, seed: int = 77) -> dict[str, np.ndarray]:
    """Pictures by kind, (N, S, S) uint8 each: drawn in grey values of `faces` (N, S, S) uint8, then spoilt faces.

    The drawn kinds are those of training, drawn anew. The faces are of people the network never saw. A face of 20 px
    and an infrared-like one can still be read by many people.
    """
    rng, side = np.random.default_rng(seed), faces.shape[1]
    kinds: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
        'cartoon': negatives.cartoon,
        'ball': negatives.ball,
        'printed pattern': negatives.pattern,
        'animal (fur, eyes, nose)': negatives.fur,
        'back of a head': negatives.back_of_head,
    }
    made = {name: np.stack([draw(rng, faces[i % len(faces)]) for i in range(DRAWN)]) for name, draw in kinds.items()}
    made['upside down'] = np.ascontiguousarray(faces[:, ::-1])
    half, mask = faces.copy(), faces.copy()
    half[:, :, side // 2 :] = 128
    mask[:, round(0.52 * side) :] = 200
    made['half a face covered'] = half
    gone = round(0.42 * side)
    made['half out of the picture'] = np.concatenate(
        [np.repeat(faces[:, :, :1], gone, 2), faces[:, :, : side - gone]], axis=2
    )
    made['mask over mouth and nose'] = mask
    for pixels in (20, 12):
        made[f'{pixels} px'] = low_resolution(torch.from_numpy(faces).float(), pixels).round().byte().numpy()
    length = round(0.22 * side) | 1
    made['motion blur of 22 % of the crop'] = np.stack([cv2.blur(face, (length, 1)) for face in faces])
    soft = np.stack([cv2.GaussianBlur(face, (0, 0), side / 80) for face in faces])
    made['infrared-like grey'] = np.uint8(255 * (soft / 255.0) ** 0.5)
    return made


def confidence_rows(model: SmileVa, pictures: dict[str, np.ndarray], threshold: float) -> dict[str, dict[str, float]]:
    """For each kind of pictures: number, quantiles of the confidence, share below 0.3, share UNKNOWN at `threshold`,
    and share that is said to smile (intensity above 1/8, level known)."""
    rows = {}
    for name, crops in pictures.items():
        said = first_looks_at(model, crops)
        low, median, high = np.quantile(said.confidence, QUANTILES)
        known = said.confidence >= threshold
        rows[name] = {
            'n': len(crops),
            'p5': round(float(low), 2),
            'median': round(float(median), 2),
            'p95': round(float(high), 2),
            'below_03': round(float((said.confidence < 0.3).mean()), 3),
            'unknown': round(float((~known).mean()), 3),
            'smiles': round(float((known & (said.level > 0)).mean()), 3),
        }
    return rows
