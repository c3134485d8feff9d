"""What a network scores on the validation and test splits, and its calibration on validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from affect_perception.evaluation.metrics import predictions
from affect_perception.models.layers import SmileOutput
from affect_perception.models.smile_va import AffectOutput, happiness
from affect_perception.training.data.face_sets import Sets
from affect_perception.training.synthetic.morphs import Morphs
from affect_perception.types import LEVEL_BOUNDS


class Prediction(NamedTuple):
    score: np.ndarray  # (N,)
    intensity: np.ndarray  # (N,) in [0, 1]
    level: np.ndarray  # (N,) 0 to 3
    smiling: np.ndarray  # (N,) in [0, 1], share of people who would say "happiness"
    expression: np.ndarray | None = None  # (N, 8) logits, of networks that read them
    affect: np.ndarray | None = None  # (N, 2) valence and arousal


@torch.no_grad()
def predict(model: nn.Module, crops: np.ndarray, batch: int = 128) -> Prediction:
    """What `model` says of (N, S, S) uint8 grey crops, in float32 as live."""
    model.eval()
    device = next(model.parameters()).device
    outputs = []
    for start in range(0, len(crops), batch):
        grey = torch.from_numpy(crops[start : start + batch]).to(device).float()
        outputs.append(model(model.normalise(grey).contiguous(memory_format=torch.channels_last)))
    return prediction(outputs)


def prediction(outputs: Sequence[SmileOutput | AffectOutput]) -> Prediction:
    """The outputs of several batches as one, in numpy."""

    def joined(read: Callable) -> np.ndarray:
        return torch.cat([read(o) for o in outputs]).cpu().numpy()

    reads_affect = isinstance(outputs[0], AffectOutput)
    return Prediction(
        joined(lambda o: o.score),
        joined(lambda o: o.intensity),
        joined(lambda o: o.levels.argmax(-1)),
        joined(happiness if reads_affect else lambda o: o.intensity),
        joined(lambda o: o.expression) if reads_affect else None,
        joined(lambda o: o.affect) if reads_affect else None,
    )


def predict_morphs(model: nn.Module, morphs: Morphs) -> Prediction:
    """The same for morphs, with (P, K) numbers each."""
    said = predict(model, morphs.crops.reshape(-1, *morphs.crops.shape[2:]))
    shape = morphs.crops.shape[:2]
    return Prediction(*(part if part is None else part.reshape(*shape, *part.shape[1:]) for part in said))


def validation(model: nn.Module, sets: Sets) -> dict[str, float]:
    """Scores that choose the best epoch; `choice` is the one that is compared. Only validation splits are looked at."""
    faces = {name: splits['val'] for name, splits in sets.items() if name != 'Morphs'}
    said = {name: predict(model, f.crops) for name, f in faces.items()}
    morphs = predict_morphs(model, sets['Morphs']['val'])
    scores = {
        'ferplus_auc': predictions.auc(said['FER+'].score, faces['FER+'].smiling),
        'lfw_auc': predictions.auc(said['LFW'].score, faces['LFW'].smiling),
        'london_pairs': predictions.ordered_pairs(said['London'].score, faces['London'].pairs()),
        'morph_spearman': float(predictions.rank_correlation(morphs.score).mean()),
    }
    if said['FER+'].expression is not None:
        ferplus, diffusion = (said[name] for name in ('FER+', 'DiffusionFER'))
        scores['ferplus_8_classes'] = predictions.majority_accuracy(ferplus.expression, faces['FER+'].votes)
        true = faces['DiffusionFER'].affect
        scores |= {
            name: predictions.ccc(diffusion.affect[:, i], true[:, i]) for i, name in enumerate(('valence', 'arousal'))
        }
    order = (scores['london_pairs'] + scores['morph_spearman']) / 2
    more = 0.1 * scores.get('ferplus_8_classes', 0) + 0.01 * (scores.get('valence', 0) + scores.get('arousal', 0))
    return scores | {'choice': (scores['ferplus_auc'] + scores['lfw_auc']) / 2 + 0.02 * order + more}


def calibrate(model: nn.Module, sets: Sets) -> tuple[float, float]:
    """Fit slope and bias of the score on the validation splits (Platt 1999) and put them into the head; returns both.

    The target is the share, and FER+ and LFW weigh the same. London is left out: nobody voted on its portraits, and
    many of its "smiling" ones hardly smile, so that they would lift every neutral face.
    """
    parts = [
        (torch.from_numpy(predict(model, s['val'].crops).score), torch.from_numpy(s['val'].share))
        for s in (sets['FER+'], sets['LFW'])
    ]
    log_slope, bias = torch.zeros((), requires_grad=True), torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([log_slope, bias], max_iter=100, line_search_fn='strong_wolfe')

    def closure():
        optimiser.zero_grad()
        loss = sum(functional.binary_cross_entropy_with_logits(log_slope.exp() * s + bias, t) for s, t in parts)
        loss.backward()
        return loss

    optimiser.step(closure)
    slope, shift = float(log_slope.detach().exp()), float(bias.detach())
    model.head.rescale(slope, shift)
    return slope, shift


def report(model: nn.Module, sets: Sets, split: str) -> dict[str, dict]:
    """Every score of one split with its 95 % interval (bootstrap over persons where persons are known)."""
    ferplus, lfw, london = (sets[name][split] for name in ('FER+', 'LFW', 'London'))
    f, w, n = (predict(model, faces.crops) for faces in (ferplus, lfw, london))
    m = predict_morphs(model, sets['Morphs'][split])
    spearman, middle = predictions.rank_correlation(m.score), (m.level == 1) | (m.level == 2)
    half, persons = m.intensity[:, m.intensity.shape[1] // 2], np.arange(len(m.score))
    pairs = london.pairs()
    neutral, smiling = n.intensity[pairs[:, 0]], n.intensity[pairs[:, 1]]
    true_level = np.digitize(ferplus.share, LEVEL_BOUNDS, right=True)
    each = np.arange(len(pairs))
    measures = {
        'ferplus_auc': (lambda i: predictions.auc(f.score[i], ferplus.smiling[i]), ferplus.person),
        'ferplus_accuracy': (lambda i: predictions.accuracy(f.intensity[i], ferplus.smiling[i]), ferplus.person),
        'ferplus_calibration_error': (
            lambda i: predictions.calibration_error(f.intensity[i], ferplus.share[i]),
            ferplus.person,
        ),
        'ferplus_level_macro_f1': (lambda i: predictions.macro_f1(f.level[i], true_level[i]), ferplus.person),
        'lfw_auc': (lambda i: predictions.auc(w.score[i], lfw.smiling[i]), lfw.person),
        'lfw_accuracy': (lambda i: predictions.accuracy(w.intensity[i], lfw.smiling[i]), lfw.person),
        'london_pairs_ordered': (lambda i: predictions.ordered_pairs(n.score, pairs[i]), each),
        'london_neutral_median': (lambda i: float(np.median(neutral[i])), each),
        'london_neutral_p95': (lambda i: float(np.quantile(neutral[i], 0.95)), each),
        'london_smiling_median': (lambda i: float(np.median(smiling[i])), each),
        'london_smiling_p5': (lambda i: float(np.quantile(smiling[i], 0.05)), each),
        'morph_spearman': (lambda i: float(spearman[i].mean()), persons),
        'morph_half_way_median': (lambda i: float(np.median(half[i])), persons),
        'morph_low_or_medium': (lambda i: float(middle[i].mean()), persons),
    }
    return predictions.with_intervals(measures)
