"""`affect-perception train config/papers/<paper>.yaml`: a paper's network from a prepared set to a scored checkpoint.

Validation chooses the epoch of each stage; the test split is scored once, at the end, where the set has one. A killed
run continues with --resume and ends with the same weights: `state.py` says why.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from affect_perception.errors import ConfigError
from affect_perception.models import checkpoint
from affect_perception.models.qian2023 import Qian2023
from affect_perception.models.sequence_model import SequenceModel
from affect_perception.training import distributed, loop
from affect_perception.training.data.face_sets import TERMS
from affect_perception.training.papers import clip_data, clip_sound, scores
from affect_perception.training.papers.card import write_card
from affect_perception.training.papers.clip_data import ClipData
from affect_perception.training.papers.settings import PaperSettings
from affect_perception.training.papers.stages import Stage, built, entered, stages_of
from affect_perception.training.papers.task import Batcher, PaperTask, predict
from affect_perception.training.state import TrainingState


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained network in eval mode, and how it came about."""

    model: SequenceModel
    models: dict[str, SequenceModel]  # of each finished stage
    stages: list[dict[str, Any]]  # name, history, best, steps
    seconds: float
    splits: dict[str, ClipData]  # train, val and, where the set has one, test, of the last stage
    audio: dict[str, Any]  # header entry `audio`; empty without sound


def train(settings: PaperSettings, out: Path, resume: bool = False, stop_after: int | None = None) -> Trained:
    """Train all stages, with their states in `out`; `stop_after` steps of the first unfinished stage, then stop.

    ConfigError for unusable settings, sets and persons in two splits; TrainingDiverged for a loss that is no number.
    """
    stages = stages_of(settings)
    for path in dict.fromkeys(stage.data for stage in stages):
        clip_data.check_person_splits(path)
    device = distributed.start(settings, ('batch',))
    torch.set_num_threads(settings.threads)
    model = _on(built(settings), device)
    if resume and not any(_state_file(out, i, s).is_file() for i, s in enumerate(stages)):
        raise ConfigError(f'no run to resume in {out}; start without --resume, or name its folder with --out')
    out.mkdir(parents=True, exist_ok=True)
    models: dict[str, SequenceModel] = {}
    done, seconds = [], 0.0
    for number, stage in enumerate(stages):
        model = _on(entered(model, stage, settings), device)
        sets = {s: clip_data.load(stage.data, s, model, settings, stage.form) for s in ('train', 'val')}
        clip_data.check_persons({s: [part] for s, part in sets.items()})
        clip_data.class_report(sets['train'])
        audio = clip_sound.sound_statistics(sets['train'], model)
        sets = {s: clip_sound.with_normal_sound(part, audio) for s, part in sets.items()}
        _standardise(model, sets['train'], number)
        distributed.from_first(model.state_dict())
        state = TrainingState(model, settings, _optimisers(model, settings))
        file = _state_file(out, number, stage)
        if resume and file.is_file():
            state.load(file)
        task = PaperTask(model, stage, sets['train'], sets['val'], settings)
        loop.train(task, state, file, stop_after)
        best = max((row['choice'] for row in state.history), default=float('nan'))
        row = {'name': stage.name, 'history': state.history, 'best': best, 'steps': state.step}
        done.append(row | {'minutes': round(state.seconds / 60, 2)})
        seconds += state.seconds
        if not state.out_of_patience() and state.step < task.epochs * task.per_epoch:
            break  # stop_after
        model = state.ema
        model.load_state_dict(state.best)
        models[stage.name] = copy.deepcopy(model)
        model.requires_grad_(True)
    return Trained(model.eval(), models, done, seconds, sets, audio)


def _state_file(out: Path, number: int, stage: Stage) -> Path:
    return out / f'state-{number}-{stage.name}.safetensors'


def _on(model: SequenceModel, device: str) -> SequenceModel:
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f'device {device!r} cannot be used: {str(error).splitlines()[0]}') from None


def _optimisers(model: SequenceModel, settings: PaperSettings) -> dict[str, torch.optim.Optimizer]:
    found: dict[str, torch.optim.Optimizer] = {}
    for player in model.players:
        if parameters := [p for p in model.parameters_of(player) if p.requires_grad]:
            betas = settings.beta1, 0.999
            found[player] = torch.optim.AdamW(
                parameters, lr=settings.learning_rate, betas=betas, weight_decay=settings.weight_decay
            )
    return found


def _standardise(model: SequenceModel, train: ClipData, number: int) -> None:
    """Give qian2023 the channel means and deviations of (at most 2,000 frames of) the training set."""
    if isinstance(model, Qian2023) and not number:
        few = range(0, len(train), max(len(train) * train.rows.shape[1] // 2000, 1))
        pixels = train.crops(torch.tensor(list(few))).float().flatten(0, 3) / 255
        model.set_statistics(pixels.mean(0), pixels.std(0))


def main(path: Path, values: Mapping[str, Any], out_dir: str | Path | None = None, resume: bool = False) -> int:
    """Train by the mapping of a training file `path`, write checkpoint and card to `out_dir`; the exit status."""
    settings = PaperSettings.read(values, path)
    out = Path(out_dir or Path('runs') / settings.name)
    trained = train(settings, out, resume)
    if not distributed.first():
        return 0
    header = header_of(settings, trained)
    result = out / f'{settings.name}.safetensors'
    checkpoint.save(result, trained.model, settings.model, **header)  # whatever stops the run from here on
    trained.splits.update(test_split(settings, trained))
    if 'test' in trained.splits:
        header['scores'] = test_scores(settings, trained)
        header['data'] = _about_data(trained)
        checkpoint.save(result, trained.model, settings.model, **header)
    write_card(out / f'{settings.name}.md', settings, header)
    for line in scores.table(header['scores'].get('table', {})):
        tqdm.write(line)
    minutes = header['training']['minutes']
    tqdm.write(f'{result}: {result.stat().st_size / 1e6:.1f} MB after {minutes} minutes of training')
    steps = sum(stage['steps'] for stage in trained.stages)
    tqdm.write(json.dumps({'checkpoint': str(result), 'minutes': minutes, 'steps': steps, 'scores': header['scores']}))
    return 0


def test_split(settings: PaperSettings, trained: Trained) -> dict[str, ClipData]:
    """The test split for the last stage; empty where the set has none."""
    stage = stages_of(settings)[-1]
    if 'test' not in trained.splits['train'].data.about['shards']:
        return {}
    test = clip_data.load(stage.data, 'test', trained.model, settings, stage.form)
    clip_data.check_persons({**{s: [part] for s, part in trained.splits.items()}, 'test': [test]})
    return {'test': clip_sound.with_normal_sound(test, trained.audio)}


def test_scores(settings: PaperSettings, trained: Trained) -> dict[str, Any]:
    """Scores of the network on the test split, and the table with the baselines."""
    model, test = trained.model, trained.splits['test']
    outputs, _, _ = predict(model, Batcher(test, model, settings), settings)
    found = scores.scores_with_baselines(model, outputs, trained.splits['train'], test)
    return {'test': {metric: rows['network'] for metric, rows in found.items()}, 'table': found}


def header_of(settings: PaperSettings, trained: Trained) -> dict[str, Any]:
    """Header of the checkpoint, without test scores."""
    about = trained.splits['train'].data.about
    device = next(trained.model.parameters()).device
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else f'{settings.threads} CPU threads'
    return {
        'crop_size': about['crop_size'],
        'crop_margin': float(about.get('tracker', {}).get('crop_margin', 0.15)),
        'training': {
            'settings': dataclasses.asdict(settings), 'stages': trained.stages, 'device': name,
            'minutes': round(trained.seconds / 60, 1), 'processes': int(os.environ.get('WORLD_SIZE', 1)),
            'parameters': sum(p.numel() for p in trained.model.parameters()),
        },
        'data': _about_data(trained),
        **({'audio': trained.audio} if trained.audio else {}),
        'scores': {},
        'terms': TERMS if about['name'] == 'generated' else {about['name']: 'terms of the set: see its owner'},
    }  # fmt: skip


def _about_data(trained: Trained) -> dict[str, Any]:
    data = trained.splits['train'].data
    named = all(s.person for part in trained.splits.values() for s in part.data.sequences)
    return {
        'name': data.about['name'], 'source': data.about['source'], 'folder': data.root.name, 'persons_named': named,
        'no_face_share': data.about.get('no_face_share'),
        'splits': {
            split: {'samples': len(part), 'persons': len(set(part.person)), 'left_out': part.left_out}
            for split, part in trained.splits.items()
        },
        'classes': clip_data.class_report(trained.splits['train']),
    }  # fmt: skip
