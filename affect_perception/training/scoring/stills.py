"""Scores of a network on the validation and test splits, and its calibration on validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from affect_perception.evaluation.metrics import predictions
from affect_perception.models.smile_va import AffectOutput, SmileVa, happiness
from affect_perception.training.data.face_sets import Sets
from affect_perception.training.synthetic.morphs import Morphs


class Prediction(NamedTuple):
    """Outputs of a network for N faces, in numpy."""

    score: np.ndarray  # (N,)
    intensity: np.ndarray  # (N,) in [0, 1]
    level: np.ndarray  # (N,) 0 to 3
    levels: np.ndarray  # (N, 4) their probabilities
    smiling: np.ndarray  # (N,) in [0, 1], share of people who would say "happiness"
    expression: np.ndarray  # (N, 8) logits
    affect: np.ndarray  # (N, 2) valence and arousal
    confidence: np.ndarray  # (N,) in [0, 1]


@torch.no_grad()
def predict(model: SmileVa, crops: np.ndarray, batch: int = 128) -> Prediction:
    """Outputs of `model` for (N, S, S) uint8 grey crops, in float32 as live."""
    model.eval()
    device = next(model.parameters()).device
    outputs = []
    for start in range(0, len(crops), batch):
        grey = torch.from_numpy(crops[start : start + batch]).to(device).float()
        outputs.append(model(model.normalise(grey).contiguous(memory_format=torch.channels_last)))
    return prediction(outputs)


def prediction(outputs: Sequence[AffectOutput]) -> Prediction:
    """The outputs of several batches as one, in numpy."""

    def joined(read: Callable) -> np.ndarray:
        return torch.cat([read(o) for o in outputs]).cpu().numpy()

    return Prediction(
        joined(lambda o: o.score),
        joined(lambda o: o.intensity),
        joined(lambda o: o.levels.argmax(-1)),
        joined(lambda o: o.levels),
        joined(happiness),
        joined(lambda o: o.expression),
        joined(lambda o: o.affect),
        joined(lambda o: torch.sigmoid(o.confidence)),
    )


def predict_morphs(model: SmileVa, morphs: Morphs) -> Prediction:
    """Outputs for morphs, with (P, K) numbers each."""
    said = predict(model, morphs.crops.reshape(-1, *morphs.crops.shape[2:]))
    shape = morphs.crops.shape[:2]
    return Prediction(*(part.reshape(*shape, *part.shape[1:]) for part in said))


def validation(model: SmileVa, sets: Sets) -> dict[str, float]:
    """Scores that choose the best epoch; `choice` is the one that is compared. Only validation splits are looked at."""
    faces = {name: splits['val'] for name, splits in sets.items() if name != 'Morphs'}
    said = {name: predict(model, f.crops) for name, f in faces.items()}
    morphs = predict_morphs(model, sets['Morphs']['val'])
    london, lfw = faces['London'], faces['LFW']
    pairs, smiling = london.pairs(), lfw.smiling & ~np.isnan(lfw.raw)
    posed = pairs[:, 1]
    scores = {
        'ferplus_auc': predictions.auc(said['FER+'].smiling, faces['FER+'].smiling),
        'lfw_auc': predictions.auc(said['LFW'].smiling, lfw.smiling),
        'lfw_grading': predictions.spearman(said['LFW'].intensity[smiling], lfw.raw[smiling]),
        'london_grading': predictions.spearman(said['London'].intensity[posed], london.raw[posed]),
        'london_pairs': predictions.ordered_pairs(said['London'].score, pairs),
        'morph_spearman': float(predictions.rank_correlation(morphs.score).mean()),
        'morph_error': float(np.abs(morphs.intensity - sets['Morphs']['val'].intensity).mean()),
        'ferplus_8_classes': predictions.majority_accuracy(said['FER+'].expression, faces['FER+'].votes),
    }
    true, read = faces['DiffusionFER'].affect, said['DiffusionFER'].affect
    scores |= {name: predictions.ccc(read[:, i], true[:, i]) for i, name in enumerate(('valence', 'arousal'))}
    presence = (scores['ferplus_auc'] + scores['lfw_auc']) / 2 + 0.02 * scores['london_pairs']
    order = 0.2 * scores['lfw_grading'] + 0.02 * scores['morph_spearman'] - 0.1 * scores['morph_error']
    more = 0.1 * scores['ferplus_8_classes'] + 0.02 * (scores['valence'] + scores['arousal'])
    return scores | {'choice': presence + order + more}
