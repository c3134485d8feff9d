"""`affect-perception ablate PAPER`: the tables and figures of a paper on whatever prepared data is given.

| paper | rows |
|---|---|
| witzig2019 | recall and precision of each level (Fig. 3); time of sequential and batched faces (Fig. 6) |
| qian2023 | four single-modal networks of Table 1, audio-visual one of Table 2 |
| vielzeuf2018 | pooling kinds, frame selection, ensembles over seeds (Table 3), audio and late fusion (Table 4) |
| parthasarathy2020 | Table 1's own rows; missing modality from 0 to 100 %, ten trials each (Fig. 4) |
| aspandi2020 | Disc, AEG-CD, AEG-CD-SZ: MSE, COR, CCC of valence and arousal (Tables I and II) |

Every network is trained by the given training file with the row's changes, in a folder of its own, and is not trained
again by a second call with the same file. Scores are those of the test split, 95 % intervals by bootstrap over persons.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from affect_perception.errors import ConfigError
from affect_perception.models.blocks.objectives import METRICS, accuracy, ccc, known, pearson
from affect_perception.models.parthasarathy2020 import KINDS, remove
from affect_perception.models.qian2023 import VARIANTS
from affect_perception.models.sequence_model import SequenceModel
from affect_perception.models.witzig2019 import Witzig2019
from affect_perception.training.papers.ablation_report import Report, write_report
from affect_perception.training.papers.clip_data import ClipData
from affect_perception.training.papers.fusion import vielzeuf_rows
from affect_perception.training.papers.scores import with_intervals
from affect_perception.training.papers.settings import PaperSettings
from affect_perception.training.papers.task import Batcher, predict
from affect_perception.training.papers.train_paper import Trained, test_split, train
from affect_perception.training.settings import read_mapping

TRIALS = 10  # of each share of missing frames, as in Fig. 4
SHARES = (0, 20, 40, 60, 80, 100)  # % of the frames that are there
FACES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Options:
    """Inputs of an ablation: training file, prepared set, output folder, seeds per row, epochs (0: the file's)."""

    config: Path
    out: Path
    data: str = ''
    seeds: int = 1
    epochs: int = 0


class Trainer:
    """Trains variants of one training file, each in a folder of its own; finished ones are read, not trained again."""

    def __init__(self, paper: str, options: Options) -> None:
        self.out = options.out
        values = read_mapping(options.config)
        if values.get('model') != paper:
            raise ConfigError(f'{options.config} trains {values.get("model")!r}; give a training file of {paper}')
        values |= {'data': options.data} if options.data else {}
        if options.epochs:
            values |= {'epochs': options.epochs}
            stages = str(values.get('stages', ''))
            values['stages'] = ','.join(f'{s.split(":")[0].strip()}:{options.epochs}' for s in stages.split(',') if s)
        self.settings = PaperSettings.read(values, options.config)

    def trained(self, row: str, network: dict[str, Any] | None = None, **changes: Any) -> tuple[PaperSettings, Trained]:
        """Network of a row with its test split; ConfigError for a set without one."""
        arguments = json.loads(self.settings.network) | (network or {})
        settings = self.settings.changed(name=row, network=json.dumps(arguments, sort_keys=True), **changes)
        out = self.out / row
        resume = out.is_dir() and any(out.glob('state-*.safetensors'))
        result = train(settings, out, resume)
        result.splits.update(test_split(settings, result))
        if 'test' not in result.splits:
            raise ConfigError(f'{settings.data} has no test split; prepare one')
        return settings, result


def ablate(paper: str, options: Options) -> dict[str, Any]:
    """Train and score the rows of `paper`; writes table.md, plot.png and ablation.json to `out`; returns the latter."""
    if paper not in ROWS:
        raise ConfigError(f'no ablation of {paper!r}; choose one of {", ".join(ROWS)}')
    if options.seeds < 1:
        raise ConfigError(f'--seeds {options.seeds}; give 1 or more')
    trainer = Trainer(paper, options)
    report = ROWS[paper](trainer, options)
    report.about |= {
        'paper': paper,
        'data': trainer.settings.data,
        'config': str(options.config),
        'seeds': options.seeds,
    }
    return write_report(report, options.out)


def _predicted(settings: PaperSettings, trained: Trained, model: SequenceModel | None = None) -> Tensor:
    model = model or trained.model
    name = next(iter(model.metrics.values()))
    return predict(model, Batcher(trained.splits['test'], model, settings), settings)[0][name]


def _columns(output: Tensor, test: ClipData) -> dict[str, dict[str, Any]]:
    """CCC, correlation and squared error of valence and arousal."""
    found = {}
    for column, name in enumerate(('valence', 'arousal')):
        x, y = output[..., column], test.targets['affect'][..., column]
        measures: dict[str, Callable[[Tensor, Tensor], float]] = {
            'ccc': lambda a, b: float(ccc(a.flatten(), b.flatten())),
            'cor': lambda a, b: float(pearson(a.flatten(), b.flatten())),
            'mse': _squared_error,
        }
        for metric, measure in measures.items():
            found[f'{metric} {name}'] = with_intervals(measure, x, y, test.person, 300)
    return found


def _squared_error(x: Tensor, y: Tensor) -> float:
    x, y, there = known(x, y)
    return float((there * (x - y).square()).sum() / there.sum().clamp_min(1))


def _witzig(trainer: Trainer, _: Options) -> Report:
    settings, trained = trainer.trained('sequence')
    test, model = trained.splits['test'], trained.model
    assert isinstance(model, Witzig2019)
    said, true = _predicted(settings, trained), test.targets['levels']
    rows: dict[str, dict[str, Any]] = {}
    for level, name in enumerate(model.level_names):

        def recall(x: Tensor, y: Tensor, level: int = level) -> float:
            return float((x.argmax(-1)[y == level] == level).double().mean())

        def precision(x: Tensor, y: Tensor, level: int = level) -> float:
            return float((y[(y >= 0) & (x.argmax(-1) == level)] == level).double().mean())

        rows[name] = {
            'recall': with_intervals(recall, said, true, test.person, 300),
            'precision': with_intervals(precision, said, true, test.person, 300),
        }
    rows['all'] = {'accuracy': with_intervals(accuracy, said, true, test.person, 300)}
    return Report(
        'Recall and precision per level (Fig. 3); time per frame (Fig. 6)', rows, {'ms per frame': _times(model)}
    )


@torch.inference_mode()
def _times(model: Witzig2019, frames: int = 12) -> dict[str, list[list[float]]]:
    """Milliseconds per frame for each number of faces: the paper's two schedules, and this package's streaming."""
    device = next(model.parameters()).device
    window = torch.rand(max(FACES), model.inputs.frames, 3, model.inputs.side, model.inputs.side, device=device) * 2 - 1

    def sequential(count: int) -> None:
        for face in range(count):
            model({'images': window[face : face + 1]})

    def batched(count: int) -> None:
        model({'images': window[:count]})

    state = model.initial_state(max(FACES))

    def streaming(count: int) -> None:
        model.advance(model.features(window[:count, 0]), window.new_zeros(count), state[:count])

    found: dict[str, list[list[float]]] = {}
    for name, run in (('sequential', sequential), ('batch', batched), ('streaming', streaming)):
        for count in FACES:
            run(count)
            spent = []
            for _ in range(frames):
                began = time.perf_counter()
                run(count)
                if device.type == 'cuda':
                    torch.cuda.synchronize(device)
                spent.append(1000 * (time.perf_counter() - began))
            found.setdefault(name, []).append([count, sorted(spent)[frames // 2]])
    return found


def _qian(trainer: Trainer, options: Options) -> Report:
    base = json.loads(trainer.settings.network)
    frames = int(base.get('frames', 32))
    weights = trainer.settings.backbone
    rows: dict[str, dict[str, Any]] = {}
    for name, variant in VARIANTS.items():
        if name == 'v3' and not weights:
            continue  # v3 and v4 differ in the backbone's weights alone
        network = {
            'backbone': variant['backbone'], 'frames': max(frames * variant['frames'] // 32, 1),
            'audio': int(base.get('audio', 0)) if name == 'av' else 0,
        }  # fmt: skip
        if name == 'av' and not network['audio']:
            network['audio'] = _sound_width(trainer.settings)
            if not network['audio']:
                continue
        rate = trainer.settings.learning_rate * variant['rate'] / VARIANTS['v4']['rate']
        settings, trained = trainer.trained(name, network, learning_rate=rate)
        test = trained.splits['test']
        said = _predicted(settings, trained)
        score = with_intervals(METRICS['pearson'], said, test.targets['reactions'], test.person)
        label = f'{name} {variant["backbone"]}, {network["frames"]} frames' + (
            ', with sound' if network['audio'] else ''
        )
        rows[label] = {'mean ρ': score, 'paper': {'value': variant['rho'], 'interval': None}}
    note = '' if weights else 'No weights given (`backbone`): v3 and v4 are the same network, all start from chance. '
    return Report('Mean Pearson correlation of the reactions (Tables 1 and 2)', rows, {}, note + _note(options))


def _sound_width(settings: PaperSettings, clip: bool = False) -> int:
    """Features per frame of a prepared set's sound, or per clip: functionals, else mean and deviation; 0 without."""
    about = json.loads((Path(settings.data) / 'dataset.json').read_text()).get('audio', {})
    width = len(about.get('names', ()))
    return 2 * width if clip and 'window_s' not in about else width


def _vielzeuf(trainer: Trainer, options: Options) -> Report:
    return Report(
        'Accuracy of pooling kinds, selection, ensembles, sound and fusion (Tables 3 and 4)',
        vielzeuf_rows(trainer, options.seeds, _sound_width(trainer.settings, clip=True)), {}, _note(options),
    )  # fmt: skip


def _parthasarathy(trainer: Trainer, options: Options) -> Report:
    rows: dict[str, dict[str, Any]] = {}
    curves: dict[str, dict[str, list[list[float]]]] = {}
    for kind in KINDS:
        settings, trained = trainer.trained(kind, {'kind': kind})
        rows[kind] = _columns(_predicted(settings, trained), trained.splits['test'])
        if kind == 'transformer_av':
            curves = _missing(settings, trained)
    return Report(
        'CCC of the networks that the paper trains (Table 1), missing modalities (Fig. 4)', rows, curves, _note(options)
    )


def _missing(settings: PaperSettings, trained: Trained) -> dict[str, dict[str, list[list[float]]]]:
    """CCC of valence and arousal over the share of frames with sound or images, mean of TRIALS."""
    test, model = trained.splits['test'], trained.model
    batcher = Batcher(test, model, settings)
    found: dict[str, dict[str, list[list[float]]]] = {'ccc valence': {}, 'ccc arousal': {}}
    for modality in ('image_there', 'audio_there'):
        for share in SHARES:
            trials = 1 if share in (0, 100) else TRIALS
            scores = torch.zeros(2)
            for trial in range(trials):
                generator = torch.Generator().manual_seed(1000 * trial + share)

                def change(batch: dict[str, Tensor]) -> None:
                    like = batch.get('embeddings', batch.get('images'))
                    assert like is not None
                    shape = like.shape[0], like.shape[1]
                    there = remove(shape, share / 100, generator).to(like.device)  # noqa: B023
                    batch[modality] = there & batch.get(modality, torch.ones_like(there))  # noqa: B023

                said = predict(model, batcher, settings, change)[0]['affect']
                scores += ccc(said.reshape(-1, 2), test.targets['affect'].reshape(-1, 2)) / trials
            for column, name in enumerate(found):
                found[name].setdefault(modality.removesuffix('_there'), []).append([share, float(scores[column])])
    return found


def _aspandi(trainer: Trainer, options: Options) -> Report:
    settings, trained = trainer.trained('progressive')
    names = {'disc': 'Disc', 'aeg_cd': 'AEG-CD', 'aeg_cd_sz': 'AEG-CD-SZ'}
    rows = {
        names[stage]: _columns(_predicted(settings, trained, model), trained.splits['test'])
        for stage, model in trained.models.items()
    }
    return Report('Progressive training (Tables I and II)', rows, {}, _note(options))


def _note(options: Options) -> str:
    return f'One training per row and seed; {options.seeds} seed(s).'


ROWS: dict[str, Callable[[Trainer, Options], Report]] = {
    'witzig2019': _witzig,
    'qian2023': _qian,
    'vielzeuf2018': _vielzeuf,
    'parthasarathy2020': _parthasarathy,
    'aspandi2020': _aspandi,
}
