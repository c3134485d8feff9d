"""Test scores of a paper's network beside three baselines, with 95 % bootstrap intervals over persons.

Baselines, all fitted on the training split: `chance` draws labels from their training frequencies, `constant` gives the
commonest class or the mean number, `mean crop` is a logistic regression (numbers: ridge regression, clipped to their
range) on the mean of a sample's crops, 16×16 grey, and `each crop` the same of each frame where labels are per frame.
`gain` is the score of the network minus that of the baseline over the same draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affect_perception.evaluation.metrics.bootstrap import (
    draw_groups,
    interval_if_defined,
    percentile_interval,
)
from affect_perception.models.blocks.objectives import METRICS
from affect_perception.models.sequence_model import SequenceModel
from affect_perception.training.papers.clip_data import CLASS_TARGETS, ClipData

REPEATS = 1000
_SIDE = 16  # px of the crops that the linear baselines read
_MOST = 20_000  # frames that `each crop` is fitted on


def scores_with_baselines(
    model: SequenceModel, outputs: dict[str, Tensor], train: ClipData, test: ClipData
) -> dict[str, Any]:
    """Scores {metric: {'network': {value, interval}, baseline: {value, interval, gain, gain_interval}}} on `test`."""
    name = next(iter(model.metrics.values()))
    said = {'network': outputs[name]} | baselines(name, outputs[name].shape, train, test)
    target = test.targets[name]
    groups = _groups(test.person)
    draws = draw_groups(len(groups), REPEATS)
    found: dict[str, Any] = {}
    for metric in model.metrics:
        measure = METRICS[metric]
        drawn: dict[str, np.ndarray] = {}
        row: dict[str, Any] = {}
        for who, output in said.items():
            drawn[who] = np.array([_measured(measure, output, target, groups, draw) for draw in draws])
            row[who] = {'value': measure(output, target), 'interval': list(percentile_interval(drawn[who]))}
        for who in set(said) - {'network'}:
            gain = drawn['network'] - drawn[who]
            row[who] |= {
                'gain': row['network']['value'] - row[who]['value'],
                'gain_interval': list(percentile_interval(gain)),
            }
        found[metric] = row
    return found


def with_intervals(
    measure: Callable[[Tensor, Tensor], float],
    output: Tensor,
    target: Tensor,
    person: np.ndarray,
    repeats: int = 0,
) -> dict[str, Any]:
    """`value` and `interval` over persons of one score of outputs and targets (W, ...), by REPEATS draws."""
    groups = _groups(person)
    draws = draw_groups(len(groups), min(repeats or REPEATS, REPEATS))
    drawn = [_measured(measure, output, target, groups, draw) for draw in draws]
    value = measure(output, target)  # undefined: precision of a class that is never said
    return {'value': None if math.isnan(value) else value, 'interval': interval_if_defined(drawn)}


def _groups(person: np.ndarray) -> list[np.ndarray]:
    """Samples of each person."""
    _, place = np.unique(person, return_inverse=True)
    order = np.argsort(place, kind='stable')
    return np.split(order, np.cumsum(np.bincount(place))[:-1])


def _measured(
    measure: Callable[[Tensor, Tensor], float], x: Tensor, y: Tensor, groups: list[np.ndarray], draw: np.ndarray
) -> float:
    index = torch.from_numpy(np.concatenate([groups[g] for g in draw]))
    return measure(x[index], y[index])


def baselines(name: str, shape: torch.Size, train: ClipData, test: ClipData) -> dict[str, Tensor]:
    """Outputs of each baseline in the shape of the network's, for target `name`."""
    known, there = train.targets[name], test.targets[name]
    rng = np.random.default_rng(0)
    crops = {'train': train.mean_crops(_SIDE), 'test': test.mean_crops(_SIDE)}
    scale = crops['train'].mean(0), crops['train'].std(0) + 1e-3
    x, z = ((crops[split] - scale[0]) / scale[1] for split in ('train', 'test'))
    per_frame = there.dim() > (1 if name in CLASS_TARGETS else 2)
    if name in CLASS_TARGETS:
        found = _class_baselines(known, there, shape[-1], x, z, rng)
    else:
        found = _number_baselines(known, there, x, z, rng)
    if per_frame and train.rows.shape[1] > 1:
        found['each crop'] = _of_each_crop(name, known, there, shape[-1], train, test, rng)
    return found


def _class_baselines(
    known: Tensor, there: Tensor, classes: int, x: np.ndarray, z: np.ndarray, rng: np.random.Generator
) -> dict[str, Tensor]:
    values = known[known >= 0].numpy()
    share = np.bincount(values, minlength=classes) / len(values)
    drawn = torch.from_numpy(rng.choice(classes, there.shape, p=share))
    one_hot = torch.nn.functional.one_hot
    fitted = _logistic(x, _commonest(known), z, classes)
    return {
        'chance': one_hot(drawn, classes).float(),
        'constant': one_hot(torch.full(there.shape, int(share.argmax())), classes).float(),
        'mean crop': fitted if there.dim() == 1 else fitted[:, None].expand(*there.shape, classes),
    }


def _number_baselines(
    known: Tensor, there: Tensor, x: np.ndarray, z: np.ndarray, rng: np.random.Generator
) -> dict[str, Tensor]:
    flat = known.reshape(-1, known.shape[-1])
    columns = [column[~column.isnan()].numpy() for column in flat.T]
    shape = there.shape[:-1]
    chance = np.stack([rng.choice(c, shape) if len(c) else np.zeros(shape) for c in columns], -1)
    mean = torch.tensor([float(c.mean()) if len(c) else 0.0 for c in columns])
    sample = known if known.dim() == 2 else known.nanmean(1)
    fitted = _ridge(x, sample.numpy(), z)
    return {
        'chance': torch.from_numpy(chance.astype(np.float32)),
        'constant': mean.expand(there.shape),
        'mean crop': fitted if there.dim() == 2 else fitted[:, None].expand(there.shape),
    }


def _of_each_crop(
    name: str, known: Tensor, there: Tensor, classes: int, train: ClipData, test: ClipData, rng: np.random.Generator
) -> Tensor:
    """Linear baseline on single frames."""
    frames = known.shape[1]
    chosen = rng.permutation(len(train) * frames)[:_MOST]
    x = _crops(train, chosen)
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    z = (_crops(test, np.arange(len(test) * frames)) - mean) / deviation
    x = (x - mean) / deviation
    labels = known.flatten(0, 1)[torch.from_numpy(chosen)]
    if name in CLASS_TARGETS:
        return _logistic(x, labels.numpy(), z, classes).reshape(*there.shape, classes)
    return _ridge(x, labels.numpy(), z).reshape(there.shape)


def _crops(clips: ClipData, index: np.ndarray) -> np.ndarray:
    """Crops (N, side · side) float32, grey, of frames numbered through samples and time."""
    rows = clips.rows.ravel()[index]
    found = np.empty((len(rows), _SIDE * _SIDE), np.float32)
    for start in range(0, len(rows), 512):
        crops = torch.from_numpy(clips.data.read(rows[start : start + 512])).float().mean(3)
        found[start : start + 512] = torch.nn.functional.adaptive_avg_pool2d(crops, _SIDE).flatten(1).numpy()
    return found


def _commonest(known: Tensor) -> np.ndarray:
    """Class (N,) of samples with classes (N,) or (N, T); -1 without any."""
    if known.dim() == 1:
        return known.numpy()
    counts = torch.nn.functional.one_hot(known.clamp_min(0), int(known.max()) + 1) * (known >= 0)[..., None]
    return torch.where((known >= 0).any(1), counts.sum(1).argmax(1), -1).numpy()


def _logistic(x: np.ndarray, classes: np.ndarray, z: np.ndarray, count: int) -> Tensor:
    """Class probabilities (M, K) by multinomial logistic regression, l2 with C = 0.01."""
    from sklearn.linear_model import LogisticRegression

    kept = classes >= 0
    fitted = LogisticRegression(C=0.01, max_iter=300).fit(x[kept], classes[kept])
    found = torch.zeros(len(z), count)
    found[:, torch.from_numpy(fitted.classes_)] = torch.from_numpy(fitted.predict_proba(z).astype(np.float32))
    return found


def _ridge(x: np.ndarray, numbers: np.ndarray, z: np.ndarray) -> Tensor:
    """Numbers (M, D) by ridge regression, clipped to their training range; columns without labels are 0."""
    from sklearn.linear_model import Ridge

    found = np.zeros((len(z), numbers.shape[1]), np.float32)
    for column in range(numbers.shape[1]):
        kept = ~np.isnan(numbers[:, column])
        if kept.any():
            y = numbers[kept, column]
            found[:, column] = Ridge(alpha=100.0).fit(x[kept], y).predict(z).clip(y.min(), y.max())
    return torch.from_numpy(found)


def table(scores: dict[str, Any]) -> list[str]:
    """Lines of a table for people."""
    lines = []
    for metric, rows in scores.items():
        for who, row in rows.items():
            low, high = row['interval']
            text = f'{metric:<18}{who:<12}{row["value"]:8.4f}   95 % interval {low:.4f} to {high:.4f}'
            if 'gain' in row:
                low, high = row['gain_interval']
                text += f'   network better by {row["gain"]:.4f} ({low:.4f} to {high:.4f})'
            lines.append(text)
    return lines
