"""Scores of a recurrent network on one split, with 95 % intervals."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from affect_perception.evaluation.metrics import predictions
from affect_perception.models.smile_va import SmileVa
from affect_perception.training.data.augmentation import low_resolution
from affect_perception.training.data.face_sets import Sets
from affect_perception.training.scoring.calibration import (
    confidence_films,
    confidence_of,
)
from affect_perception.training.scoring.groups import Measure, Measures, group_measures
from affect_perception.training.scoring.temporal_probe import Answers, Probe, onset_delays
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic import trajectories


def worse_pictures(crops: np.ndarray) -> dict[str, np.ndarray]:
    """(N, S, S) uint8 crops, as faces of 24 px, after JPEG of quality 20, and with the eyes covered by a grey bar."""
    side = crops.shape[1]
    small = low_resolution(torch.from_numpy(crops).float(), 24).round().byte().numpy()
    coded = [_as_jpeg(c, 20) for c in crops]
    covered = crops.copy()
    covered[:, round(0.25 * side) : round(0.48 * side), round(0.1 * side) : round(0.9 * side)] = 128
    return {'24px': small, 'jpeg20': np.stack(coded), 'eyes_covered': covered}


def _as_jpeg(crop: np.ndarray, quality: int) -> np.ndarray:
    """The (S, S) uint8 crop after JPEG of `quality`."""
    picture = cv2.imdecode(cv2.imencode('.jpg', crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0)
    assert picture is not None  # it was coded just now
    return picture


def report(model: SmileVa, probe: Probe, sets: Sets, settings: TrainingSettings, split: str) -> dict[str, dict]:
    """Every score of `split`, each with its 95 % interval by the bootstrap: by person where persons are known."""
    said = probe.ask(model)
    measures = still_measures(said, probe) | robust_measures(model, said, probe) | film_measures(said)
    measures |= group_measures(said, probe.morphs, probe.faces['Portraits'])
    confidence, rights = confidence_of(model, confidence_films(model, sets, settings, split), settings.tolerance)
    sure, right = torch.sigmoid(confidence).numpy(), rights.numpy()
    frames = np.arange(len(sure)) // settings.still_frames
    measures |= {
        'confidence_calibration_error': (lambda i: predictions.calibration_error(sure[i], right[i]), frames),
        'confidence_auc': (lambda i: predictions.auc(sure[i], right[i] > 0.5), frames),
    }
    return predictions.with_intervals(measures)


def still_measures(said: Answers, probe: Probe) -> Measures:
    """Scores of photographs as first frames."""
    f, w, d = (said.stills[name] for name in ('FER+', 'LFW', 'DiffusionFER'))
    ferplus, lfw, diffusion = (probe.faces[name] for name in ('FER+', 'LFW', 'DiffusionFER'))
    spearman = predictions.rank_correlation(said.morphs.score)
    people = np.arange(len(spearman))
    known = np.flatnonzero(~np.isnan(lfw.intensity))
    smiles = np.flatnonzero(lfw.smiling & ~np.isnan(lfw.raw))
    clear = np.flatnonzero(ferplus.votes.max(1) > 0.5)  # as Barsoum et al. score theirs: one class has a majority
    return {
        'ferplus_auc': (lambda i: predictions.auc(f.smiling[i], ferplus.smiling[i]), ferplus.person),
        'ferplus_accuracy': (lambda i: predictions.accuracy(f.smiling[i], ferplus.smiling[i]), ferplus.person),
        'ferplus_8_classes': (
            lambda i: predictions.majority_accuracy(f.expression[i], ferplus.votes[i]),
            ferplus.person,
        ),
        'ferplus_8_classes_clear': (
            lambda i: predictions.majority_accuracy(f.expression[clear[i]], ferplus.votes[clear[i]]),
            np.arange(len(clear)),
        ),
        'ferplus_votes_calibration_error': (
            lambda i: predictions.calibration_error(f.smiling[i], ferplus.share[i]),
            ferplus.person,
        ),
        'lfw_auc': (lambda i: predictions.auc(w.smiling[i], lfw.smiling[i]), lfw.person),
        'lfw_accuracy': (lambda i: predictions.accuracy(w.smiling[i], lfw.smiling[i]), lfw.person),
        'diffusionfer_valence_ccc': (
            lambda i: predictions.ccc(d.affect[i, 0], diffusion.affect[i, 0]),
            diffusion.person,
        ),
        'diffusionfer_arousal_ccc': (
            lambda i: predictions.ccc(d.affect[i, 1], diffusion.affect[i, 1]),
            diffusion.person,
        ),
        'london_pairs_ordered': (
            lambda i: float(np.mean(said.morphs.score[i, -1] > said.morphs.score[i, 0])),
            people,
        ),
        'lfw_grading': (lambda i: predictions.spearman(w.intensity[smiles[i]], lfw.raw[smiles[i]]), lfw.person[smiles]),
        'lfw_span': (
            lambda i: float(np.diff(np.quantile(w.intensity[smiles[i]], (0.05, 0.95)))[0]),
            lfw.person[smiles],
        ),
        'london_grading': (
            lambda i: predictions.spearman(said.morphs.intensity[i, -1], probe.morphs.raw[i, -1]),
            people,
        ),
        'lfw_level_calibration_error': (
            lambda i: predictions.top_label_error(w.levels[known[i]], trajectories.level_of(lfw.intensity[known[i]])),
            lfw.person[known],
        ),
        'ferplus_auc_by_intensity': (lambda i: predictions.auc(f.score[i], ferplus.smiling[i]), ferplus.person),
        'lfw_auc_by_intensity': (lambda i: predictions.auc(w.score[i], lfw.smiling[i]), lfw.person),
        'london_spearman': (lambda i: float(spearman[i].mean()), people),
        'london_neutral_p95': (lambda i: float(np.quantile(said.morphs.intensity[i, 0], 0.95)), people),
        'london_smiling_p5': (lambda i: float(np.quantile(said.morphs.intensity[i, -1], 0.05)), people),
    }


def robust_measures(model: SmileVa, said: Answers, probe: Probe) -> Measures:
    """By how much the AUC of LFW falls on worse pictures."""
    lfw, plain = probe.faces['LFW'], said.stills['LFW'].smiling
    result: Measures = {}
    for name, crops in worse_pictures(lfw.crops).items():
        score = probe.read(model, crops).smiling
        result[f'lfw_auc_lost_{name}'] = (
            _auc_lost(plain, score, lfw.smiling),
            lfw.person,
        )
    return result


def _auc_lost(before: np.ndarray, after: np.ndarray, positive: np.ndarray) -> Measure:
    """By how much the AUC of scores `before` is above that of scores `after`."""
    return lambda i: predictions.auc(before[i], positive[i]) - predictions.auc(after[i], positive[i])


def film_measures(said: Answers) -> Measures:
    """Scores of London's people smiling, talking and holding still."""
    s, delays = said.smiles, onset_delays(said.smiles)
    people, level = np.arange(len(delays)), trajectories.level_of(said.smiles.wanted)
    return {
        'film_level_macro_f1': (
            lambda i: predictions.macro_f1(s.levels[i].argmax(-1).ravel(), level[i].ravel()),
            people,
        ),
        'film_level_calibration_error': (lambda i: predictions.top_label_error(s.levels[i], level[i]), people),
        'film_intensity_error': (lambda i: float(np.abs(s.intensity[i] - s.wanted[i]).mean()), people),
        'onset_delay_median_s': (lambda i: float(np.nanmedian(delays[i])), people),
        'onset_delay_p95_s': (lambda i: float(np.nanquantile(delays[i], 0.95, method='higher')), people),
        'talking_rise_mean': (lambda i: float(said.talking_rise[i].mean()), people),
        'talking_rise_p95': (lambda i: float(np.quantile(said.talking_rise[i], 0.95)), people),
        'talking_peak_mean': (lambda i: float(said.talking_peak[i].mean()), people),
        'held_deviation_mean': (lambda i: float(said.held_deviation[i].mean()), people),
        'held_deviation_p95': (lambda i: float(np.quantile(said.held_deviation[i], 0.95)), people),
    }
