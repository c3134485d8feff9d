"""Every setting of a training run; `config/training/*.yaml` holds what differs from the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affect_perception.errors import ConfigError
from affect_perception.runtime.files import read_text_file
from affect_perception.runtime.yaml_text import read_yaml
from affect_perception.settings import Settings, setting


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """One training run (`affect-perception train CONFIG`)."""

    name: str = setting('smile_va', 'name of the checkpoint that is written')
    model: str = setting('smile_va', 'network, one of affect_perception.models.MODELS')
    width: float = setting(1.0, 'factor of the channels of its CNN: a wide one makes a teacher', low=0.1, high=8.0)
    data: str = setting('../shared/data', 'folder of the data sets, relative to where the command is started')
    ferplus: str = setting('ferplus.npz', 'FER+ archive, inside the data folder')
    lfw: str = setting('lfw_expressions.zip', 'LFW expressions archive, inside the data folder')
    london: str = setting('london', 'folder of the London set, inside the data folder')
    diffusionfer: str = setting('diffusionfer', 'folder of the DiffusionFER set, inside the data folder')
    portraits: str = setting('portraits', 'folder of the synthetic portraits, inside the data folder')
    labels: str = setting(
        'teacher', 'folder of the graded labels (<set>.npz, docs/training.md), inside the data folder'
    )
    level_clips: str = setting(
        '', 'folder of clips with judged levels for the scale, inside the data folder (level_clips.py); empty: none'
    )
    prepared: str = setting('', 'file of the sets as crops: read if it is there, written if not; empty: none')
    limit: int = setting(0, 'use only this many pictures of each split of each set (a trial run); 0 uses all', low=0)
    crop_size: int = setting(96, 'side of the crops, as in the live tracker', unit='px', low=32, high=256)
    crop_margin: float = setting(0.15, 'margin around the face box, as in the live tracker', low=0.0, high=1.0)

    initial: str = setting('', 'checkpoint to start from: those of its tensors that fit; empty starts from chance')
    teacher: str = setting(
        '', 'checkpoints, with commas, whose mean answers are mixed into the labels, picture by picture; empty: none'
    )
    teacher_weight: float = setting(0.5, 'its share of them', low=0.0, high=1.0)
    epochs: int = setting(14, 'passes over the training pictures of the set that takes longest', low=1, high=1000)
    epoch_steps: int = setting(0, 'steps of an epoch instead; 0: as many as that takes', low=0)
    ferplus_batch: int = setting(96, 'FER+ pictures in a batch; 0 trains without', low=0, high=4096)
    lfw_batch: int = setting(36, 'LFW pictures in a batch; 0 trains without', low=0, high=4096)
    diffusionfer_batch: int = setting(6, 'DiffusionFER pictures in a batch; 0 trains without', low=0, high=4096)
    portraits_batch: int = setting(4, 'synthetic portraits in a batch; 0 trains without', low=0, high=4096)
    london_persons: int = setting(6, 'London persons in a batch', low=1, high=512)
    london_views: int = setting(3, 'fractions of the morph of each of them', low=1, high=32)
    no_face_batch: int = setting(8, 'pictures without a face in a batch; 0 trains without', low=0, high=4096)
    no_faces: int = setting(3000, 'pictures without a face that are drawn', low=1)
    morph_steps: int = setting(
        17, 'fractions from neutral to smiling that are made of each London person', low=2, high=65
    )
    strangers: int = setting(
        0, "neutral faces of the other sets that get a London person's smile, to learn from more people", low=0
    )
    learning_rate: float = setting(
        3e-3, 'highest learning rate (one cycle: up, then down to nothing)', low=0.0, high=1.0
    )
    warm_up: float = setting(0.15, 'share of the steps in which the learning rate rises', low=0.0, high=1.0)
    weight_decay: float = setting(0.02, 'weight decay of AdamW', low=0.0, high=1.0)
    ema: float = setting(0.995, 'decay per step of the averaged weights, which are the ones kept', low=0.0, high=1.0)
    strength_weight: float = setting(1.0, "weight of the loss of a smile's strength", low=0.0, high=100.0)
    intensity_weight: float = setting(1.0, 'weight of the loss of the intensity', low=0.0, high=100.0)
    ranking_weight: float = setting(0.5, 'weight of the loss of the order of smiling faces', low=0.0, high=100.0)
    saturation_weight: float = setting(0.05, 'weight of the cost of saturated read-outs', low=0.0, high=100.0)
    coefficients_weight: float = setting(
        2.0, 'weight of the loss of the 52 coefficients, which a head reads in training only', low=0.0, high=100.0
    )
    expression_weight: float = setting(1.0, 'weight of the loss of the expressions', low=0.0, high=100.0)
    affect_weight: float = setting(2.0, 'weight of the loss of valence and arousal', low=0.0, high=100.0)
    graded_films: int = setting(1200, 'films of London persons that the recurrent part learns from', low=1)
    graded_frames: int = setting(60, 'frames of each', low=8, high=1000)
    still_films: int = setting(4800, 'films of one photograph, or two, that it learns from', low=1)
    still_frames: int = setting(16, 'frames of each', low=4, high=1000)
    film_epochs: int = setting(30, 'passes over the films; 0: a teacher, which reads single pictures', low=0, high=1000)
    film_batch: int = setting(32, 'films of London persons in a batch; of the others as many as keep pace', low=2)
    film_learning_rate: float = setting(2e-3, 'highest learning rate of the recurrent part', low=0.0, high=1.0)
    steadiness: float = setting(2.0, 'weight of changes of the intensity that nothing explains', low=0.0, high=100.0)
    tolerance: float = setting(0.25, 'error of an intensity up to which a reading counts as right', low=0.01, high=1.0)
    min_confidence: float = setting(
        0.2, 'written to the checkpoint: confidence below which a level is UNKNOWN', low=0.0, high=1.0
    )
    patience: int = setting(0, 'epochs without a better validation score after which to stop; 0 never stops', low=0)
    augmentation: float = setting(1.0, 'strength of augmentation; 0 is none', low=0.0, high=2.0)

    unclear: float = setting(0.08, 'share of the pictures that are degraded beyond reading', low=0.0, high=1.0)
    randomisation: float = setting(
        0.0, 'strength of other shapes, tones, filters and textures (randomisation.py)', low=0.0, high=2.0
    )
    other_mouths: float = setting(
        0.0, "share of the faces that get another one's mouth, and its smile, in each batch", low=0.0, high=1.0
    )

    tensorboard: bool = setting(False, 'also write scores for TensorBoard (pip install tensorboard) to <out>/board')
    seed: int = setting(0, 'seed; same seed, threads and machine: same weights', low=0, high=2**31 - 1)
    threads: int = setting(2, 'CPU threads', low=1, high=256)
    workers: int = setting(1, 'processes that draw sequences', low=1, high=256)
    device: str = setting('cpu', 'cpu, cuda or cuda:N')
    bf16: bool = setting(True, 'multiply in bfloat16: twice as fast on CPUs with AVX-512 BF16 or AMX, slower on others')
    save_every: int = setting(200, 'steps from one saved state to the next, for --resume', low=1)


def load_settings(path: str | Path) -> TrainingSettings:
    """The settings in a YAML file; ConfigError where the file is missing, is no mapping or holds a wrong value."""
    return TrainingSettings.from_mapping(read_mapping(path))


def read_mapping(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; ConfigError where the file is missing, is no YAML or no mapping."""
    path = Path(path)
    try:
        values = read_yaml(read_text_file(path)) or {}
    except OSError as error:
        raise ConfigError(
            f'cannot read training file {path}: {error.strerror}; see config/training/smile_va.yaml'
        ) from None
    except ValueError as error:
        raise ConfigError(f'{path} is not YAML: {error}') from None
    if not isinstance(values, dict):
        raise ConfigError(f'{path} holds a {type(values).__name__}; wanted lines of the form `name: value`')
    for name in values:
        if not isinstance(name, str):  # YAML reads `true`, `no`, `1` and dates as other things than names
            raise ConfigError(f'{path}: {name!r} is no name of a setting; see config/training/smile_va.yaml')
    return values
