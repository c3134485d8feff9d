"""Windows, clips or single images of one split of a prepared set, as batches and targets of a paper's network.

| network | a sample is | targets |
|---|---|---|
| witzig2019 | a window of 20 crops | `levels` (N, T) from `smile` |
| qian2023 | evenly spaced crops of a clip | `reactions` (N, 7) from `reaction_NAME`, mean over the clip |
| vielzeuf2018 | one image, or evenly spaced crops of a clip | `expression` (N,), of images also `affect` (N, 2) |
| parthasarathy2020 | a window of `frames` crops | `affect` (N, T, 2) from `valence`, `arousal` |
| aspandi2020 | one image | `affect` (N, 2), `weight` (N, 2) |

Unlabelled entries are NaN, classes -1. Samples without any label are left out and counted. Sound: `clip_sound.py`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from affect_perception.datasets.prepared import CropSequence, PreparedDataset
from affect_perception.datasets.records import SPLITS
from affect_perception.errors import ConfigError
from affect_perception.models.aspandi2020 import Aspandi2020
from affect_perception.models.aspandi2020_losses import class_weights
from affect_perception.models.parthasarathy2020 import Parthasarathy2020
from affect_perception.models.qian2023 import Qian2023
from affect_perception.models.sequence_model import SequenceModel
from affect_perception.models.vielzeuf2018 import Vielzeuf2018
from affect_perception.models.witzig2019 import Witzig2019
from affect_perception.training.papers.clip_sound import sound_of
from affect_perception.training.papers.settings import PaperSettings

log = logging.getLogger(__name__)
FORM = {Witzig2019: 'window', Qian2023: 'clip', Vielzeuf2018: 'clip', Parthasarathy2020: 'window', Aspandi2020: 'image'}
CLASS_TARGETS = {'levels': 'smile', 'expression': 'expression'}  # target of the network: quantity of the labels


@dataclass(frozen=True, eq=False)
class ClipData:
    """W samples of one split; `rows` (W, T) of `data`, whose clip, person and targets have W rows too."""

    data: PreparedDataset
    rows: np.ndarray
    clip: np.ndarray  # (W,) index of the sequence
    person: np.ndarray  # (W,) str
    targets: dict[str, Tensor]
    sound: Tensor | None  # (W, T, A), (W, F, A) or (W, A), NaN where absent
    classes: dict[str, tuple[str, ...]]  # names of the classes of class targets
    left_out: int  # samples without a label
    images: bool  # samples are single images, not sequences or clips

    def __len__(self) -> int:
        return len(self.rows)

    def crops(self, index: np.ndarray | Tensor) -> Tensor:
        """Crops (B, T, S, S, 3) uint8 of the samples `index`."""
        return torch.from_numpy(self.data.read(self.rows[np.asarray(index)]))

    def mean_crops(self, side: int = 16) -> np.ndarray:
        """Mean of each sample's crops over its frames, shrunk to `side` px (W, side · side) float32, grey."""
        found = np.empty((len(self), side * side), np.float32)
        for start in range(0, len(self), 64):
            crops = self.crops(np.arange(start, min(start + 64, len(self)))).float().mean(4)
            shrunk = torch.nn.functional.adaptive_avg_pool2d(crops, side)
            found[start : start + 64] = shrunk.mean(1).flatten(1).numpy()
        return found


def load(path: str, split: str, model: SequenceModel, settings: PaperSettings, form: str = '') -> ClipData:
    """Samples of `split` of the prepared set `path`. `form`: window, clip or image (default: the network's).

    ConfigError for no or an incomplete set, an absent split, missing labels and sound that does not fit.
    """
    data = PreparedDataset(Path(path), split)
    form = form or FORM[type(model)]
    names = np.array([sequence.person or f'clip {sequence.clip}' for sequence in data.sequences])
    of_row = np.empty(len(data), np.int64)
    for i, sequence in enumerate(data.sequences):
        of_row[sequence.rows] = i
    rows = _rows(data, model, settings, form)
    targets, classes = _targets(data, rows, model, form)
    labelled = torch.zeros(len(rows), dtype=torch.bool)
    for name, target in targets.items():
        there = target >= 0 if name in CLASS_TARGETS else ~target.isnan()
        labelled |= there.reshape(len(rows), -1).any(1)
    kept = np.flatnonzero(labelled.numpy())
    if not len(kept):
        raise ConfigError(f'{path} ({split}) has no labelled sample for {type(model).__name__}')
    left_out = len(rows) - len(kept)
    if left_out:
        log.warning('Skipping %d of %d samples of %s (%s) without a label', left_out, len(rows), path, split)
    if settings.limit and split != 'test':
        kept = kept[np.random.default_rng(settings.seed).permutation(len(kept))[: settings.limit]]
        kept.sort()
    rows = rows[kept]
    clip = of_row[rows[:, 0]]
    sound = sound_of(data, rows, clip, model) if model.inputs.audio else None
    kept_targets = {name: target[torch.from_numpy(kept)] for name, target in targets.items()}
    return ClipData(data, rows, clip, names[clip], kept_targets, sound, classes, left_out, form == 'image')


def check_persons(sets: dict[str, Sequence[ClipData]]) -> None:
    """ConfigError for a person who is in two of the splits, which `sets` holds by name."""
    seen: dict[str, tuple[str, str]] = {}
    for split, parts in sets.items():
        for part in parts:
            for person, clip in zip(part.person, part.clip, strict=True):
                where = f'{part.data.root} ({part.data.sequences[clip].clip})'
                if seen.setdefault(str(person), (split, where))[0] != split:
                    before, place = seen[str(person)]
                    raise ConfigError(
                        f'person {person!r} is in the splits {before}, {place}, and {split}, {where}; '
                        'give each person one split and prepare again'
                    )


def check_person_splits(path: str) -> None:
    """ConfigError for a prepared set in which a person is in two splits, used or not; warns where none are named."""
    seen: dict[str, tuple[str, CropSequence]] = {}
    unnamed = 0
    for split in SPLITS:
        try:
            sequences = PreparedDataset(Path(path), split).sequences
        except ConfigError:
            continue
        for sequence in sequences:
            unnamed += not sequence.person
            before, other = seen.setdefault(sequence.person, (split, sequence))
            if sequence.person and before != split:
                raise ConfigError(
                    f'{path}: person {sequence.person!r} is in {before} ({other.clip}) and in {split} '
                    f'({sequence.clip}); give each person one split and prepare again'
                )
    if unnamed:
        log.warning('%s names no person for %d clips: person-disjoint splits cannot be checked', path, unnamed)


def class_report(train: ClipData) -> dict[str, dict[str, int]]:
    """Labelled entries per class of each class target; warns of classes without any, ConfigError for fewer than two."""
    report = {}
    for target, names in train.classes.items():
        values = train.targets[target]
        counts = torch.bincount(values[values >= 0].flatten().long(), minlength=len(names)).tolist()
        report[target] = dict(zip(names, counts, strict=True))
        empty = [name for name, count in report[target].items() if not count]
        if len(names) - len(empty) < 2:
            raise ConfigError(f'{train.data.root} (train) has samples of fewer than two classes of {target}: {empty}')
        if empty:
            log.warning('No training sample of %s in %s: never learnt', ', '.join(empty), train.data.root)
    return report


def _rows(data: PreparedDataset, model: SequenceModel, settings: PaperSettings, form: str) -> np.ndarray:
    if form == 'window':
        return data.windows(model.inputs.frames, settings.stride, settings.max_gap)
    if form == 'clip':
        count = model.inputs.frames
        if isinstance(model, Vielzeuf2018):
            count = settings.clip_frames or 2 * count
        return data.evenly_spaced(count)
    return np.concatenate([sequence.rows[:: settings.image_stride] for sequence in data.sequences])[:, None]


def _targets(
    data: PreparedDataset, rows: np.ndarray, model: SequenceModel, form: str
) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]]]:
    if isinstance(model, Witzig2019):
        return {'levels': _levels(data, rows, model)}, {'levels': model.level_names}
    if isinstance(model, Qian2023):
        return {'reactions': _reactions(data, rows, model)}, {}
    if isinstance(model, Vielzeuf2018):
        targets = {'expression': _expression(data, rows, model)}
        if form == 'image' and {'valence', 'arousal'} <= set(data.quantities):
            targets['affect'] = _affect(data, rows)[:, 0]
        return targets, {'expression': model.expressions}
    affect = _affect(data, rows)
    return {'affect': affect[:, 0] if form == 'image' else affect}, {}


def _column(data: PreparedDataset, quantity: str, rows: np.ndarray) -> Tensor:
    if quantity not in data.quantities:
        raise ConfigError(
            f'{data.root} has no labels of {quantity}; it has {", ".join(data.quantities)}: prepare another set'
        )
    return torch.from_numpy(data.labels[rows][..., data.quantities.index(quantity)])


def _by_name(values: Tensor, theirs: Sequence[str], ours: Sequence[str]) -> Tensor:
    """Class indices (…) int64 in the order `ours` of indices in the order `theirs`; -1 for NaN and unknown names."""
    table = torch.tensor([ours.index(name) if name in ours else -1 for name in theirs])
    known = values.nan_to_num(-1).long()
    return torch.where(known >= 0, table[known.clamp_min(0)], -1)


def _levels(data: PreparedDataset, rows: np.ndarray, model: Witzig2019) -> Tensor:
    return _by_name(_column(data, 'smile', rows), data.classes.get('smile', ()), model.level_names)


def _affect(data: PreparedDataset, rows: np.ndarray) -> Tensor:
    return torch.stack([_column(data, quantity, rows) for quantity in ('valence', 'arousal')], -1)


def _reactions(data: PreparedDataset, rows: np.ndarray, model: SequenceModel) -> Tensor:
    known = [name for name in model.reactions if f'reaction_{name}' in data.quantities]
    if not known:
        raise ConfigError(f'{data.root} has no labels reaction_NAME; it has {", ".join(data.quantities)}')
    targets = torch.full((len(rows), len(model.reactions)), torch.nan)
    for name in known:
        targets[:, model.reactions.index(name)] = _column(data, f'reaction_{name}', rows).nanmean(1)
    return targets


def _expression(data: PreparedDataset, rows: np.ndarray, model: SequenceModel) -> Tensor:
    """Commonest expression of each sample."""
    values = _by_name(_column(data, 'expression', rows), data.classes.get('expression', ()), model.expressions)
    counts = torch.stack([(values == i).sum(1) for i in range(len(model.expressions))], 1)
    return torch.where(counts.amax(1) > 0, counts.argmax(1), -1)


def loss_weights(model: SequenceModel, train: ClipData, settings: PaperSettings) -> Callable[[dict[str, Tensor]], None]:
    """Function that adds `weight` to the targets of a batch: inverse class frequencies of the training set."""
    if isinstance(model, Aspandi2020):
        bins, reference = int(model.recipe['class_bins']), train.targets['affect']

        def by_affect(targets: dict[str, Tensor]) -> None:
            targets['weight'] = class_weights(targets['affect'].cpu(), bins, reference).to(targets['affect'].device)

        return by_affect
    name = next((n for n in train.targets if n in CLASS_TARGETS), '')
    if not settings.class_weights or not name:
        return lambda _: None
    values = train.targets[name]
    counts = Counter(values[values >= 0].tolist())
    size = max(counts) + 1
    table = torch.tensor([sum(counts.values()) / (len(counts) * counts[i]) if counts[i] else 0.0 for i in range(size)])

    def by_class(targets: dict[str, Tensor]) -> None:
        known = targets[name].clamp(0, size - 1)
        targets['weight'] = table.to(known.device)[known] * (targets[name] >= 0)

    return by_class
