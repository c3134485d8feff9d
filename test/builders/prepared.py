"""Small prepared sets of drawn clips, with every label and a sound, and training settings of a second."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from affect_perception.datasets.extraction import FaceSample
from affect_perception.datasets.records import Clip
from affect_perception.datasets.shards import ShardWriter
from affect_perception.evaluation.labels.quantities import CLASSES
from affect_perception.types import Box

QUANTITIES = ('smile', 'expression', 'valence', 'arousal', 'reaction_amusement', 'reaction_fear')
SOUND = 4  # features per frame
SIDE = 32
NETWORKS: dict[str, dict[str, Any]] = {
    'witzig2019': {'width': 1 / 16, 'hidden': 8},
    'qian2023': {'backbone': 'resnet18', 'width': 1 / 16, 'side': 32, 'frames': 3, 'hidden': 8, 'dense': 8},
    'vielzeuf2018': {'width': 1 / 16, 'side': 32, 'frames': 3, 'hidden': 8},
    'parthasarathy2020': {
        'width': 1 / 16, 'size': 16, 'feedforward': 16, 'hidden': 8, 'frames': 6, 'audio': SOUND, 'stack': 2,
    },
    'aspandi2020': {'generator_channels': 2, 'discriminator_channels': 4, 'side': 32, 'audio': SOUND},
}  # fmt: skip


def write_prepared(
    root: Path,
    people: dict[str, Sequence[str]] | None = None,
    frames: int = 20,
    quantities: Sequence[str] = QUANTITIES,
    **labels: float,
) -> Path:
    """A prepared set: per split two clips of each person, whose brightness is valence; `labels` fix a quantity."""
    people = people or {'train': 'abcd', 'val': 'e', 'test': 'gh'}
    (root / 'audio').mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for split, persons in people.items():
        with ShardWriter(root / f'{split}-00000', quantities) as writer:
            for number, person in enumerate([*persons, *persons]):
                name = f'{split}-{person}-{number}'
                np.save(root / 'audio' / f'{name}.npy', rng.normal(size=(frames, SOUND)).astype(np.float32))
                clip = Clip(name, person, split, root, faces='given', audio_features=f'audio/{name}.npy')
                course = np.clip(np.sin(np.linspace(0, 3, frames) + number) * 0.9, -1, 1)
                for i, value in enumerate(course):
                    crop = np.uint8(np.clip(127 + 100 * value + rng.normal(0, 5, (SIDE, SIDE, 3)), 0, 255))
                    row = {
                        'smile': min(int((value + 1) * 2), 3), 'expression': number % 7, 'valence': value,
                        'arousal': -value, 'reaction_amusement': (course.mean() + 1) / 2, 'reaction_fear': number % 2,
                    } | labels  # fmt: skip
                    sample = FaceSample(0, Box(0, 0, SIDE, SIDE), 1.0, crop)
                    writer.add(clip, i, i / 10, sample, np.array([row[q] for q in quantities], float))
    about = {
        'name': 'drawn', 'source': 'test', 'format': 1, 'crop_size': SIDE, 'tracker': {'crop_margin': 0.2},
        'quantities': list(quantities), 'classes': {q: list(CLASSES[q]) for q in quantities if q in CLASSES},
        'shards': {split: [f'{split}-00000'] for split in people}, 'complete': True,
        'audio': {'names': [f'a{i}' for i in range(SOUND)], 'per': 'frame'},
    }  # fmt: skip
    (root / 'dataset.json').write_text(json.dumps(about))
    return root


def write_config(folder: Path, model: str, data: Path, network: dict[str, Any] | None = None, **values: Any) -> Path:
    """A training file of one paper at tiny size."""
    given = {
        'name': 'tiny', 'model': model, 'data': str(data), 'network': NETWORKS[model] | (network or {}), 'epochs': 2,
        'batch': 4, 'learning_rate': 1e-3, 'threads': 1, 'save_every': 1,
    }  # fmt: skip
    given |= {'vielzeuf2018': {'stages': 'image:1,clip:2', 'image_stride': 10}}.get(model, {})
    given |= {'aspandi2020': {'stages': 'disc:1,aeg_cd:1,aeg_cd_sz:1', 'image_stride': 10}}.get(model, {})
    path = folder / f'{model}.yaml'
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(given | values))
    return path
