"""Rows of vielzeuf2018's ablation: pooling, selection, ensembles over seeds, audio classifiers, late fusion."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from affect_perception.models.blocks.late_fusion import (
    fuse,
    learn_weights,
    mean_and_deviation,
    random_forest,
    weighted_accuracy,
)
from affect_perception.models.blocks.objectives import accuracy
from affect_perception.models.vielzeuf2018 import POOLINGS
from affect_perception.training.papers.clip_data import ClipData
from affect_perception.training.papers.scores import with_intervals
from affect_perception.training.papers.settings import PaperSettings
from affect_perception.training.papers.task import Batcher, predict


class Trains(Protocol):
    """`ablations.Trainer`."""

    settings: PaperSettings

    def trained(self, row: str, network: dict[str, Any] | None = None, **changes: Any) -> Any:
        """Settings and `Trained` of a row."""


def vielzeuf_rows(trainer: Trains, seeds: int, sound: int) -> dict[str, dict[str, Any]]:
    """Accuracy, and weighted accuracy, of each row; those over seeds also with mean and deviation.

    All rows start from one image network, which is trained once.
    """
    image, clip = _divided(trainer.settings.stages)
    start: dict[str, Any] = {}
    if image:
        _, first = trainer.trained('image', stages=image)
        path = trainer.out / 'image' / 'image.safetensors'  # type: ignore[attr-defined]
        _save(path, first.model)
        start = {'initial': str(path)}
    rows: dict[str, dict[str, Any]] = {}
    kinds: dict[str, list[np.ndarray]] = {}
    val: dict[str, list[np.ndarray]] = {}
    heard: dict[str, list[np.ndarray]] = {'val': [], 'test': []}
    splits: dict[str, ClipData] = {}
    for pooling in POOLINGS:
        for seed in range(seeds):
            network = {'pooling': pooling, 'audio': sound}
            settings, trained = trainer.trained(f'{pooling}-{seed}', network, stages=clip, seed=seed, **start)
            splits = trained.splits
            for split, found in (('val', val), ('test', kinds)):
                outputs = predict(trained.model, Batcher(splits[split], trained.model, settings), settings)[0]
                found.setdefault(pooling, []).append(outputs['expression'].softmax(-1).numpy())
                if sound and pooling == POOLINGS[0]:
                    heard[split].append(outputs['audio'].softmax(-1).numpy())
    for pooling, scores in kinds.items():
        rows[f'pooling {pooling}'] = _row(scores[:1], splits) | _spread(scores, splits['test'])
        if seeds > 1:
            rows[f'pooling {pooling} ({seeds})'] = _row(scores, splits)
    even = {'pooling': 'mean', 'audio': sound}
    frames = int(splits['test'].rows.shape[1])
    settings, trained = trainer.trained('even-0', even, stages=clip, clip_frames=_frames(trainer), **start)
    outputs = predict(trained.model, Batcher(trained.splits['test'], trained.model, settings), settings)[0]
    rows[f'evenly spaced frames, not the best of {frames}'] = _row([outputs['expression'].softmax(-1).numpy()], splits)
    if sound:
        rows |= _with_sound(val, kinds, heard, splits)
    return rows


def _with_sound(
    val: dict[str, list[np.ndarray]],
    kinds: dict[str, list[np.ndarray]],
    heard: dict[str, list[np.ndarray]],
    splits: dict[str, ClipData],
) -> dict[str, dict[str, Any]]:
    """Rows of the audio classifiers and of fusions with pooling `mean`."""
    train, sounds = splits['train'], {s: part.sound for s, part in splits.items()}
    forest = random_forest(0)
    known = train.targets['expression'].numpy()
    forest.fit(_finite(sounds['train'])[known >= 0], known[known >= 0])
    found = {}
    for split in ('val', 'test'):
        found[split] = np.zeros((len(splits[split]), len(train.classes['expression'])))
        found[split][:, forest.classes_] = forest.predict_proba(_finite(sounds[split]))
    true = splits['val'].targets['expression'].numpy()
    weights = learn_weights([fuse(val['mean'])[true >= 0], fuse(heard['val'])[true >= 0]], true[true >= 0])
    both = [fuse(kinds['mean']), fuse(heard['test'])]
    return {
        'sound, MLP': _row(heard['test'], splits),
        'sound, random forest': _row([found['test']], splits),
        'images and sound, mean of scores': _row(both, splits),
        f'images and sound, learnt weights {weights[0]:.2f} and {weights[1]:.2f}': _row([fuse(both, weights)], splits),
        'images, MLP and forest': _row([*both, found['test']], splits),
        'mean and weighted pooling, with sound': _row([fuse(kinds['mean'] + kinds['weighted']), both[1]], splits),
    }


def _finite(sound: Tensor | None) -> np.ndarray:
    assert sound is not None
    return sound.nan_to_num(0).numpy()


def _row(scores: list[np.ndarray], splits: dict[str, ClipData]) -> dict[str, Any]:
    """Accuracy and accuracy with equal class counts of the fused scores on the test split."""
    test = splits['test']
    said, true = torch.from_numpy(fuse(scores)), test.targets['expression']
    classes = said.shape[1]

    def weighted(x: Tensor, y: Tensor) -> float:
        there = y >= 0
        counts = [int((y == i).any()) for i in range(classes)]
        return weighted_accuracy(x.argmax(-1)[there].numpy(), y[there].numpy(), counts)

    return {
        'accuracy': with_intervals(accuracy, said, true, test.person, 300),
        'weighted accuracy': with_intervals(weighted, said, true, test.person, 300),
    }


def _spread(scores: list[np.ndarray], test: ClipData) -> dict[str, Any]:
    """Mean accuracy over seeds, with the deviation as interval; empty for one seed."""
    if len(scores) < 2:
        return {}
    values = [accuracy(torch.from_numpy(s), test.targets['expression']) for s in scores]
    mean, deviation = mean_and_deviation(values)
    return {'mean ± std over seeds': {'value': mean, 'interval': [mean - deviation, mean + deviation]}}


def _divided(stages: str) -> tuple[str, str]:
    """Stages of images, and that of clips."""
    parts = [part.strip() for part in stages.split(',') if part.strip()] or ['clip']
    clip = [part for part in parts if part.startswith('clip')] or ['clip']
    return ','.join(part for part in parts if not part.startswith('clip')), clip[0]


def _frames(trainer: Trains) -> int:
    return int(trainer.settings.make().inputs.frames)


def _save(path: Any, model: Any) -> None:
    from affect_perception.models.checkpoint import save

    save(path, model, 'vielzeuf2018', crop_size=model.inputs.side, crop_margin=0.15)
