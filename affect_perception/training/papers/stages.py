"""Stages that a paper trains one after the other, with their epochs, samples, trained parameters and learning rates.

| network | stages |
|---|---|
| witzig2019, qian2023, parthasarathy2020 | `all` |
| vielzeuf2018 | `image` (AffectNet), `image_head`, `image_all` at a lower rate (RAF, SFEW), `clip` (AFEW) |
| aspandi2020 | `disc`, `aeg_cd`, `aeg_cd_sz` |
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import nn

from affect_perception.errors import ConfigError
from affect_perception.models import aspandi2020, checkpoint, vielzeuf2018
from affect_perception.models.aspandi2020 import Aspandi2020
from affect_perception.models.backbones.vgg_face import VggFaceModel
from affect_perception.models.sequence_model import SequenceModel
from affect_perception.models.vielzeuf2018 import Vielzeuf2018
from affect_perception.training.papers.settings import PaperSettings

log = logging.getLogger(__name__)
BACKBONES = ('cnn', 'fc6', 'backbone')


@dataclass(frozen=True)
class Stage:
    """One stage: epochs, prepared set, form of the samples (empty: the network's) and factor of the learning rate."""

    name: str
    epochs: int
    data: str
    form: str = ''
    rate: float = 1.0


def stages_of(settings: PaperSettings) -> list[Stage]:
    """Stages that a training file asks for, in order; ConfigError for unknown ones and a wrong order."""
    model = settings.make()
    known: tuple[str, ...] = ('all',)
    if isinstance(model, Vielzeuf2018):
        known = vielzeuf2018.STAGES
    if isinstance(model, Aspandi2020):
        known = aspandi2020.STAGES
    text = settings.stages or f'{model.settings["stage"] if isinstance(model, Aspandi2020) else known[-1]}'
    found = []
    for part in text.split(','):
        name, _, epochs = (word.strip() for word in part.partition(':'))
        if name not in known:
            raise ConfigError(f'stages: no stage {name!r} of {settings.model}; choose from {", ".join(known)}')
        if epochs and not (epochs.isdecimal() and int(epochs)):
            raise ConfigError(f'stages: {part.strip()!r}; wanted NAME:EPOCHS, as {known[-1]}:20')
        images = isinstance(model, Vielzeuf2018) and name != 'clip'
        data = settings.image_data if name == 'image' else settings.tune_data if name.startswith('image_') else ''
        rate = float(model.recipe['rate_factor_image_all']) if name == 'image_all' else 1.0
        found.append(
            Stage(name, int(epochs or settings.epochs), data or settings.data, 'image' if images else '', rate)
        )
    order = [known.index(stage.name) for stage in found]
    if order != sorted(set(order)):
        raise ConfigError(f'stages: {settings.stages}; wanted each at most once, in the order {", ".join(known)}')
    if isinstance(model, Aspandi2020) and order != list(range(order[0], order[-1] + 1)):
        raise ConfigError(f'stages: {settings.stages}; each stage starts from the one before it: leave none out')
    return found


def built(settings: PaperSettings) -> SequenceModel:
    """Network before the first stage: initial weights, weights of a checkpoint or of a backbone file."""
    torch.manual_seed(settings.seed)
    model = settings.make()
    if isinstance(model, Aspandi2020):
        first = stages_of(settings)[0].name
        model = Aspandi2020(**model.settings | {'stage': first})
    if settings.initialisation == 'kaiming':
        for module in model.modules():
            if isinstance(module, nn.Conv2d) or (isinstance(module, nn.Linear) and module is getattr(model, 'fc6', 0)):
                nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
    if settings.backbone:
        load = getattr(model, 'load_vgg_face', None) or getattr(model, 'load_backbone', None)
        if load is None:
            raise ConfigError(f'{settings.model} has no backbone; leave `backbone` out')
        log.info('%s', load(settings.backbone))
    if settings.initial:
        begin_from(model, settings.initial)
    return model


def begin_from(model: nn.Module, initial: str) -> None:
    """Take over the tensors of checkpoint `initial` whose names and shapes fit; ConfigError lists the others for none.

    Logs how many tensors are missing, extra and of another shape.
    """
    tensors, _ = checkpoint.read_safetensors(checkpoint.resolve(initial))
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in tensors.items() if name in own and own[name].shape == tensor.shape}
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    shapes = [
        f'{name} {tuple(tensors[name].shape)} for {tuple(own[name].shape)}'
        for name in sorted(own.keys() & tensors.keys() - fitting.keys())
    ]
    parts = {'missing': missing, 'extra': extra, 'of another shape': shapes}
    told = '; '.join(f'{len(names)} {what}: {_some(names)}' for what, names in parts.items() if names)
    if not fitting:
        raise ConfigError(f'{initial} shares no tensor with this network ({told}); choose another `initial`, or none')
    log.info('%s: %d of %d tensors taken%s', initial, len(fitting), len(own), f'; {told}' if told else '')
    model.load_state_dict(fitting, strict=False)


def _some(names: list[str]) -> str:
    return ', '.join(names[:4]) + (', …' if len(names) > 4 else '')


def entered(model: SequenceModel, stage: Stage, settings: PaperSettings) -> SequenceModel:
    """The network at `stage`, with the parameters of that stage trainable and all others frozen."""
    if isinstance(model, Aspandi2020):
        while model.stage != stage.name:
            model = model.next_stage()
    if isinstance(model, Vielzeuf2018):
        model.parameter_groups(stage.name, settings.learning_rate)
    elif settings.freeze:
        if not isinstance(model, VggFaceModel):
            for module in backbones(model):
                module.requires_grad_(False)
        else:
            model.freeze_cnn()
    return model


def backbones(model: SequenceModel) -> list[nn.Module]:
    """Modules that map images to embeddings."""
    return [getattr(model, name) for name in BACKBONES if hasattr(model, name)]


def frozen(model: SequenceModel) -> bool:
    """True if embeddings of an image do not change in training."""
    parts = backbones(model)
    return bool(parts) and not any(p.requires_grad for part in parts for p in part.parameters())
