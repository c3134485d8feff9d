"""Sound of the samples of a prepared set, and its normalisation, as the engine gives it to a network live.

Features come from the file that the set names per clip (`audio_features`, frames × features). Absent sound is NaN.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from affect_perception.datasets.prepared import CropSequence, PreparedDataset
from affect_perception.errors import ConfigError
from affect_perception.models.aspandi2020 import Aspandi2020
from affect_perception.models.sequence_model import SequenceModel

if TYPE_CHECKING:
    from affect_perception.training.papers.clip_data import ClipData

log = logging.getLogger(__name__)


def sound_of(data: PreparedDataset, rows: np.ndarray, clip: np.ndarray, model: SequenceModel) -> Tensor | None:
    """Features of each sample: per frame, the sequence of its clip, or those of the clip.

    Those of a clip are functionals before its last image where the set has functionals, else mean and deviation.
    """
    kind, width = model.inputs.audio_steps, model.inputs.audio
    functionals = _has_functionals(data, model)
    loaded: dict[int, np.ndarray | None] = {i: _features(data, data.sequences[i]) for i in np.unique(clip)}
    absent = sum(features is None for features in loaded.values())
    if absent == len(loaded):
        raise ConfigError(f'{data.root} ({data.split}) has no sound (audio_features); build the network with audio: 0')
    if absent:
        log.warning('%d of %d clips of %s have no sound: read as absent', absent, len(loaded), data.root)
    longest = max(len(f) for f in loaded.values() if f is not None)
    found = []
    for i, row in zip(clip, rows, strict=True):
        features = loaded[i]
        if kind == 'frame':
            part = _at(features, data.frame[row], width)
        elif kind == 'free':
            part = _at(features, np.arange(longest), width)
        elif functionals:
            part = np.full(width, np.nan) if features is None else features[min(data.frame[row[-1]], len(features) - 1)]
        else:
            half = np.full((1, width // 2), np.nan) if features is None else features
            part = np.concatenate([half.mean(0), half.std(0)])
        found.append(part)
    sound = torch.from_numpy(np.stack(found).astype(np.float32))
    if sound.shape[-1] != width:
        raise ConfigError(f'{data.root} has sound of {sound.shape[-1]} numbers; the network reads {width}: set `audio`')
    return sound[:, 0] if isinstance(model, Aspandi2020) else sound


def _has_functionals(data: PreparedDataset, model: SequenceModel) -> bool:
    """Whether the set has functionals, for a network that reads those of a clip; ConfigError for another window."""
    window_s = data.about.get('audio', {}).get('window_s')
    if model.inputs.audio_steps != 'clip' or window_s is None:
        return False
    if window_s != model.inputs.window_s:
        raise ConfigError(
            f'{data.root} has functionals of {window_s} s, and the network reads {model.inputs.window_s} s; set its '
            f'window_s, or prepare with --audio-features NAME_functionals:{model.inputs.window_s:g}'
        )
    return True


def _at(features: np.ndarray | None, frames: np.ndarray, width: int) -> np.ndarray:
    """Features (T, A) at frame numbers; NaN beyond the end and for an absent file."""
    if features is None:
        return np.full((len(frames), width), np.nan)
    inside = frames < len(features)
    return np.where(inside[:, None], features[np.minimum(frames, len(features) - 1)], np.nan)


def _features(data: PreparedDataset, sequence: CropSequence) -> np.ndarray | None:
    if not sequence.audio_features:
        return None
    path = data.root / sequence.audio_features
    try:
        features: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f'{path}, the sound of clip {sequence.clip}, cannot be read: {error}') from None
    if features.ndim != 2 or not len(features) or not np.isfinite(features).all():
        raise ConfigError(f'{path} has shape {features.shape}; wanted finite numbers (frames, features)')
    return features


def sound_statistics(train: ClipData, model: SequenceModel) -> dict[str, Any]:
    """Header entry `audio` of a network that hears: names, means and deviations of the training set's features."""
    if train.sound is None:
        return {}
    flat = train.sound.flatten(0, -2)
    mean = flat.nanmean(0)
    deviation = (flat - mean).square().nanmean(0).sqrt().clamp_min(1e-6)
    about = train.data.about.get('audio', {})
    names = list(about.get('names', ()))
    if model.inputs.audio_steps == 'clip' and 'window_s' not in about:
        names = [f'{name}_{part}' for part in ('mean', 'std') for name in names]
    known = {'features': about['features']} if 'features' in about else {}
    return {'names': names, 'mean': mean.tolist(), 'deviation': deviation.tolist(), **known}


def with_normal_sound(clips: ClipData, statistics: dict[str, Any]) -> ClipData:
    """The samples with sound of mean 0 and deviation 1 in training, as the engine gives it to the network live."""
    if clips.sound is None or not statistics:
        return clips
    mean, deviation = (torch.tensor(statistics[name]) for name in ('mean', 'deviation'))
    return dataclasses.replace(clips, sound=(clips.sound - mean) / deviation)
