"""`affect-perception train CONFIG`: from the data sets to a checkpoint with its scores.

`main` is parse, load, fit, calibrate, score, save, print, for smile_va; files that name a network of a paper go to
`papers/train_paper.py`. Scores on validation splits choose the epoch and the calibration; the test splits are scored
once, at the end. The loop of both is `loop.train`.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from affect_perception.errors import ConfigError
from affect_perception.models import MODELS, checkpoint
from affect_perception.models.face_model import FaceModel
from affect_perception.models.smile_va import SmileVa
from affect_perception.training import distributed, loop
from affect_perception.training.data.batches import Batches
from affect_perception.training.data.face_sets import TERMS, Sets, data_hashes, load_sets
from affect_perception.training.data.level_clips import level_clips_of
from affect_perception.training.data.soft_labels import taught, teachers_of
from affect_perception.training.losses import batch_loss, coefficients_loss
from affect_perception.training.papers.settings import is_paper
from affect_perception.training.schedule import one_cycle, refuse_nan
from affect_perception.training.scoring import temporal_report
from affect_perception.training.scoring.calibration import calibrate
from affect_perception.training.scoring.stills import validation
from affect_perception.training.scoring.temporal_probe import Probe
from affect_perception.training.settings import TrainingSettings, load_settings, read_mapping
from affect_perception.training.state import FILM_SETTINGS, TrainingState
from affect_perception.training.synthetic.expression_transfer import with_strangers
from affect_perception.training.temporal import fit_films

COEFFICIENTS = 52  # of the graded labels, see strength.py
SPLITS = {'val': 'validation', 'test': 'test'}  # that are scored, with their names in a checkpoint
NAN_EVERY = 50  # steps on a GPU


def train_step(state: TrainingState, batches: Batches, steps: int, teachers: Sequence[FaceModel] = ()) -> Tensor:
    """One step of the optimiser; returns the loss, raises TrainingDiverged when it is no number."""
    settings, step = state.settings, state.step
    device = next(state.model.parameters()).device
    torch.manual_seed(settings.seed * 1_000_003 + step)  # dropout
    batch = distributed.share_of(batches.batch(step))
    for group in state.optimiser.param_groups:
        group['lr'] = one_cycle(step, steps, settings.warm_up, settings.learning_rate)
    x = state.model.normalise(batch.pictures).contiguous(memory_format=torch.channels_last)
    if teachers:
        batch = taught(batch, teachers, x, settings)
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.bf16):
        embedding = state.model.features(x)
    embedding = state.model.dropout(embedding.float())
    loss = batch_loss(state.model.head(embedding), batch, settings)
    if settings.coefficients_weight:
        coefficients = cast(torch.nn.Linear, state.model.coefficients)(embedding)
        loss = loss + settings.coefficients_weight * coefficients_loss(coefficients, batch.coefficients, batch.face)
    if step % NAN_EVERY == 0 or device.type == 'cpu':  # reading a number makes a GPU wait
        members = ', '.join(f'{name} {index[:5].tolist()}' for name, index in batches.indices(step).items())
        refuse_nan(loss, step, f'{members} …', settings)
    state.optimiser.zero_grad()
    loss.backward()
    distributed.average_gradients(state.model)
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), 5.0)
    state.optimiser.step()
    distributed.from_first(dict(state.model.named_buffers()))
    state.step += 1
    state.average()
    return loss.detach()


class CnnTask:
    """Task of the loop: the CNN of smile_va and its heads, on the training pictures of `sets`."""

    name = ''

    def __init__(self, state: TrainingState, sets: Sets) -> None:
        self._sets, self.epochs = sets, state.settings.epochs
        self._batches = Batches(sets, state.settings, next(state.model.parameters()).device)
        self._teachers = teachers_of(state.settings, self._batches.device)
        self.per_epoch: int = self._batches.per_epoch
        state.model.train()

    def step(self, state: TrainingState) -> Tensor:
        """Train on the batch of `state.step`; returns the loss."""
        return train_step(state, self._batches, self.epochs * self.per_epoch, self._teachers)

    def scores(self, state: TrainingState, epoch: int) -> dict[str, float] | None:
        """Scores of the validation splits, after every epoch of few, every tenth part of many, and the last."""
        if not scored(epoch, state.settings):
            return None
        scores = validation(state.ema, self._sets)
        state.model.train()
        return scores


def fit(state: TrainingState, sets: Sets, state_file: Path, stop_after: int | None = None) -> TrainingState:
    """Train the CNN to the last epoch, or for `stop_after` steps (`loop.train`)."""
    return loop.train(CnnTask(state, sets), state, state_file, stop_after)


def prepared(settings: TrainingSettings) -> TrainingState:
    """A fresh state: threads and seed set, network made; ConfigError for an unknown network or an absent device."""
    if settings.model not in MODELS:
        raise ConfigError(f'no network {settings.model!r}; choose one of {", ".join(MODELS)}')
    if not hasattr(MODELS[settings.model], 'over_time') or not hasattr(MODELS[settings.model], 'normalise'):
        raise ConfigError(f'{settings.model} is not trained here; choose smile_va')
    device = distributed.start(settings)
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    try:
        network = cast(type[SmileVa], MODELS[settings.model])
        model = network(**wide(network, settings.width))
        if settings.coefficients_weight:
            model.coefficients = torch.nn.Linear(model.embedding_size, COEFFICIENTS)
        model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f'device {settings.device!r} cannot be used: {str(error).splitlines()[0]}') from None
    if settings.initial:
        begin_from(model, settings.initial)
    return TrainingState(model, settings)


def wide(network: type, width: float) -> dict:
    """Settings of a network whose CNN has `width` times the usual channels, in multiples of 8; none for 1."""
    if width == 1:
        return {}
    usual = inspect.signature(network).parameters['channels'].default
    return {'channels': [max(round(count * width / 8), 1) * 8 for count in usual]}


def scored(epoch: int, settings: TrainingSettings) -> bool:
    """Is this epoch (from 1) scored: every one of few, every tenth part of many, and the last."""
    return epoch % max(settings.epochs // 10, 1) == 0 or epoch == settings.epochs


def begin_from(model: torch.nn.Module, initial: str) -> None:
    """Take over every tensor of checkpoint `initial` that has the name and the shape of one of the model's."""
    tensors, _ = checkpoint.read_safetensors(checkpoint.resolve(initial))
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in tensors.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise ConfigError(f'{initial} shares no tensor with this network; choose another `initial`, or none')
    model.load_state_dict(fitting, strict=False)


def taught_films(model: SmileVa, settings: TrainingSettings, sets: Sets, file: Path, resume: bool) -> TrainingState:
    """Train the recurrent layers on sequences, with the CNN of `model` frozen; returns the state afterwards."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(('recurrent', 'temporal_head')))
    model.eval()
    model.recurrent.train()  # cuDNN needs it; the CNN and its statistics stay
    state = TrainingState(model, settings)
    if resume and file.is_file():
        state.load(file)
    return fit_films(state, sets, file)


def main(config: str | Path, out_dir: str | Path | None = None, resume: bool = False) -> int:
    """Train by the file `config` and write `<out_dir>/<name>.safetensors` (default runs/<name>); the exit status.

    resume: continue the run whose state lies in `out_dir`. Raises ConfigError before any work for a missing file,
    set or device, and TrainingDiverged when the loss is no number any more.
    """
    values = read_mapping(config)
    if is_paper(values.get('model')):
        from affect_perception.training.papers import train_paper  # reads videos, which smile_va does not need

        return train_paper.main(Path(config), values, out_dir, resume)
    settings = load_settings(config)
    out = Path(out_dir or Path('runs') / settings.name)
    state_file = out / 'state.safetensors'
    state = prepared(settings)
    if resume:
        if not state_file.is_file():
            raise ConfigError(
                f'no run to resume at {state_file}; start without --resume, or name its folder with --out'
            )
        state.load(state_file, FILM_SETTINGS)
    sets, clips = with_strangers(load_sets(settings, print), settings), level_clips_of(settings)
    parameters = sum(p.numel() for p in state.model.parameters())
    print(f'{settings.model}: {parameters / 1e6:.2f} million parameters, from step {state.step}, writing to {out}')
    fit(state, sets, state_file)
    if not distributed.first():
        return 0  # what follows is small, and one process does it

    model = state.ema
    model.load_state_dict(state.best)
    if hasattr(model, 'coefficients'):
        del model.coefficients
    result, hashes = out / f'{settings.name}.safetensors', data_hashes(settings)

    def write(seconds: float, history: list, calibration: dict, scores: dict) -> None:
        told = dataclasses.asdict(settings) | {'minutes': round(seconds / 60, 1), 'history': history}
        sizes = {name: getattr(settings, name) for name in ('crop_size', 'crop_margin', 'min_confidence')}
        more = {'calibration': calibration, 'data': hashes, 'scores': finite(scores), 'terms': TERMS}
        checkpoint.save(result, model, settings.model, **sizes, training=told, **more)

    seconds, history = state.seconds, state.history
    calibration: dict = {}
    scores: dict = {}
    write(seconds, history, {}, {})  # whatever stops the run from here on, there is a checkpoint
    if settings.film_epochs:
        films = taught_films(model, settings, sets, out / 'films.safetensors', resume)
        seconds, history = seconds + films.seconds, history + films.history
        model = films.ema
        model.load_state_dict(films.best)
        write(seconds, history, {}, {})
        probes = probes_of(model, sets, settings)
        calibration = calibrate(model, probes['val'], sets, settings, clips)
        write(seconds, history, calibration, {})
        scores = {
            SPLITS[split]: temporal_report.report(model, probe, sets, settings, split)
            for split, probe in probes.items()
        }
        write(seconds, history, calibration, scores)
    for split, rows in scores.items():
        for name, row in rows.items():
            low, high = row['interval']
            print(f'{split} {name:<38}{row["value"]:8.4f}   95 % interval {low:.4f} to {high:.4f}')
    size, minutes = result.stat().st_size / 1e6, round(seconds / 60, 1)
    print(f'{result}: {size:.1f} MB after {minutes} minutes of training; calibration {calibration}')
    print(json.dumps({'checkpoint': str(result), 'minutes': minutes, 'steps': state.step, 'scores': finite(scores)}))
    return 0


def finite(scores: Any) -> Any:
    """Scores (nested dictionaries and lists) with None for numbers that JSON lacks: a smile never read has no delay."""
    if isinstance(scores, dict):
        return {name: finite(value) for name, value in scores.items()}
    if isinstance(scores, list | tuple):
        return [finite(value) for value in scores]
    return None if isinstance(scores, float) and not math.isfinite(scores) else scores


def probes_of(model: SmileVa, sets: Sets, settings: TrainingSettings) -> dict[str, Probe]:
    """The questions that calibrate and score `model`, by split."""
    return {split: Probe(model, sets, split, settings) for split in SPLITS if split in sets['London']}
