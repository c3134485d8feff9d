"""Every setting of a training run of a paper's network; `config/papers/*.yaml` holds what differs from the defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affect_perception.errors import ConfigError
from affect_perception.models import MODELS
from affect_perception.models.sequence_model import SequenceModel
from affect_perception.settings import Settings, setting


@dataclass(frozen=True)
class PaperSettings(Settings):
    """One training run of a paper's network (`affect-perception train config/papers/<paper>.yaml`)."""

    name: str = setting('paper', 'name of the checkpoint that is written')
    model: str = setting('witzig2019', 'network, one of affect_perception.models.MODELS')
    network: str = setting('{}', 'keyword arguments of the network, as JSON (in a training file: a mapping)')
    data: str = setting('', 'folder of the prepared data set (affect-perception prepare)')
    image_data: str = setting('', 'prepared set of the stage `image` (vielzeuf2018: AffectNet); empty: data')
    tune_data: str = setting('', 'prepared set of `image_head` and `image_all` (vielzeuf2018: RAF-DB); empty: data')
    initial: str = setting('', 'checkpoint of this package to start from: those of its tensors that fit')
    backbone: str = setting('', 'weights of the backbone: a file, or torchvision:NAME, which downloads')
    initialisation: str = setting(
        'network', 'network: as it is built; kaiming: rectifier layers after He et al. 2015, for narrow VGGs',
        choices=('network', 'kaiming'),
    )  # fmt: skip
    freeze: bool = setting(False, 'keep the backbone as it is; its embeddings are then computed once')
    cache_mb: float = setting(2000.0, 'most memory for embeddings of a frozen backbone', unit='MB', low=0.0)
    stages: str = setting('', 'stages and their epochs, as image:4,clip:20; empty: one stage of `epochs`')
    epochs: int = setting(10, 'passes over the training clips', low=1, high=100_000)
    batch: int = setting(32, 'sequences or images per step of the optimiser', low=1, high=100_000)
    micro_batch: int = setting(0, 'of these at a time in memory: gradients add up; 0: all', low=0)
    learning_rate: float = setting(1e-4, 'learning rate of Adam', low=0.0, high=1.0)
    rate_factor: float = setting(1.0, 'factor of the learning rate per epoch', low=0.0, high=1.0)
    schedule: str = setting(
        'factor',
        'factor: learning_rate × rate_factor per epoch; one_cycle: up and down',
        choices=('factor', 'one_cycle'),
    )
    beta1: float = setting(0.9, 'first decay rate of Adam', low=0.0, high=0.9999)
    weight_decay: float = setting(0.0, 'decoupled weight decay (AdamW)', low=0.0, high=1.0)
    clip_gradient: float = setting(0.0, 'largest norm of the gradient; 0: any', low=0.0)
    ema: float = setting(0.0, 'decay per step of averaged weights, which are the ones kept; 0: none', low=0.0, high=1.0)
    discriminator_steps: int = setting(5, 'steps of a discriminator per step of its generator', low=1, high=100)
    class_weights: bool = setting(False, 'weigh classes by inverse frequency in the loss')
    choose: str = setting(
        '', 'validation score that chooses the epoch: a metric, weighted_accuracy or loss; empty: first'
    )
    test_counts: str = setting('', 'test clips per class for weighted_accuracy, as 99,40,70; empty: equal')
    patience: int = setting(0, 'scored epochs without a better score after which to stop; 0 never stops', low=0)
    score_every: int = setting(1, 'epochs from one validation to the next', low=1)

    stride: int = setting(0, 'frames from one window to the next; 0: the window, none overlap', low=0)
    max_gap: int = setting(-1, 'frames that may be missing within a window; -1: any', low=-1)
    clip_frames: int = setting(
        0, "frames per clip, evenly spaced, offered to the selection; 0: twice the network's", low=0
    )
    image_stride: int = setting(1, 'frames from one single image of a clip to the next', low=1)
    limit: int = setting(0, 'use only this many samples of training and validation, drawn by the seed; 0: all', low=0)
    augmentation: bool = setting(True, "the paper's augmentation of training images")
    mirror: bool = setting(False, 'mirror every other training clip (no paper states it)')

    tensorboard: bool = setting(False, 'also write scores for TensorBoard (pip install tensorboard) to <out>/board')
    seed: int = setting(0, 'seed; same seed, threads and machine: same weights', low=0, high=2**31 - 1)
    threads: int = setting(2, 'CPU threads', low=1, high=256)
    workers: int = setting(1, 'threads that read crops ahead', low=1, high=256)
    device: str = setting('cpu', 'cpu, cuda or cuda:N')
    bf16: bool = setting(False, 'multiply in bfloat16 (autocast)')
    save_every: int = setting(200, 'steps from one saved state to the next, for --resume', low=1)

    @classmethod
    def read(cls, values: Mapping[str, Any], path: Path) -> PaperSettings:
        """Settings of the mapping of a training file `path`; ConfigError for a wrong value."""
        network = values.get('network') or {}
        if not isinstance(network, dict):
            raise ConfigError(f'{path}: network is {network!r}; wanted lines of the form `width: 0.25` below it')
        try:
            text = json.dumps(network, sort_keys=True)
        except (TypeError, ValueError) as error:  # keys of several kinds, dates
            raise ConfigError(f'{path}: network is {network!r}, which is no JSON ({error})') from None
        settings = cls.from_mapping({**values, 'network': text})
        if not settings.data:
            raise ConfigError(f'{path} names no data; set `data` to a folder that affect-perception prepare wrote')
        settings.make()
        return settings

    def make(self) -> SequenceModel:
        """Untrained network; ConfigError for an unknown one and for arguments that it does not take."""
        kind = MODELS.get(self.model)
        if kind is None or not issubclass(kind, SequenceModel):
            papers = ', '.join(n for n, k in MODELS.items() if issubclass(k, SequenceModel))
            raise ConfigError(f'no network of a paper {self.model!r}; choose one of {papers}')
        try:
            return kind(**json.loads(self.network))
        except (TypeError, ValueError) as error:
            raise ConfigError(f'network: {self.model} cannot use {self.network}: {error}') from None


def is_paper(model: object) -> bool:
    """True for the name of a paper's network."""
    kind = MODELS.get(str(model))
    return kind is not None and issubclass(kind, SequenceModel)
