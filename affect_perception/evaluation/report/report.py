"""`report.html` and what it adds to `metrics.json`: watches an evaluation, then says what there is to say.

One file that opens anywhere, offline: figures are SVG in the page, faces (unless `--no-faces`) small pictures in it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.labels import BOX, Labels, levels_from_intensity, read_labels
from affect_perception.evaluation.metrics import mot
from affect_perception.evaluation.report.data import Run, load, parse_people
from affect_perception.evaluation.report.faces import Thumbnails
from affect_perception.models import checkpoint
from affect_perception.runtime.files import LineFile
from affect_perception.settings import Settings
from affect_perception.types import AffectFrame, Frame

_PACKAGES = ('numpy', 'torch', 'opencv-python-headless', 'dlib-bin', 'scikit-learn', 'torchmetrics', 'motmetrics')


@dataclass(frozen=True)
class ReportOptions:
    """What is asked of the report: files of labels, `people` as `anna=1,ben=2+5`, pictures of faces or none."""

    labels: tuple[Path, ...] = ()
    people: str = ''
    faces: bool = True
    command: str = ''


class Watcher:
    """Looks on while a recording is evaluated. Labels are read at once: ConfigError before the work, not after it."""

    def __init__(self, options: ReportOptions, given: str):
        self.options, self.given = options, given
        self.people = parse_people(options.people)
        self.labels = levels_from_intensity(read_labels(options.labels, given)) if options.labels else None
        if self.people and self.labels is None:
            raise ConfigError(f'--people {options.people!r} says who is who in labels; give them with --labels')
        if self.labels is not None:
            need_eval()
        self.faces = Thumbnails() if options.faces else None
        self._frames: list[tuple[int, int, str]] = []  # number, stamp in ns, file

    def see(self, index: int, frame: Frame | None, affect: AffectFrame, file: str = '') -> None:
        """One frame of the recording; `frame` is None where only results were recorded."""
        self._frames.append((index, affect.stamp_ns, file))
        if self.faces is not None and frame is not None:
            self.faces.see(frame, affect)

    def finish(self, out: Path, metrics: dict, sequence: bool, settings: Mapping[str, Settings]) -> dict:
        """Writes `frames.csv` and `report.html` beside the finished `faces.csv`; returns what metrics.json gains."""
        files = any(file for _, _, file in self._frames)
        with LineFile(out / 'frames.csv') as table:
            table.rows([['frame', 'stamp', *(['file'] if files else [])]])
            table.rows(
                [n, f'{ns // 10**9}.{ns % 10**9:09d}', *([file] if files else [])] for n, ns, file in self._frames
            )
        found: dict = {'sequence': sequence, 'made': self._made(metrics, settings)}
        if self.labels is None and missing():
            return found | {'report': f'none: it needs {", ".join(missing())} (pip install affect-perception[eval])'}
        run = load(out, metrics['model'], sequence)
        analysis = None
        if self.labels is not None:
            from affect_perception.evaluation.report.analysis import analyse
            from affect_perception.evaluation.report.data import match

            analysis = analyse(run, self.labels, match(run, self.labels, self.people))
            found |= analysis.metrics
            if 'ids' not in metrics and any(s.quantity == BOX for s in self.labels.series):
                found['ids'] = id_scores(run, self.labels, out)
        from affect_perception.evaluation.report.page import Entry, write_page

        one = Entry(f'model {metrics["model"]}', run, analysis, {**metrics, **found})
        write_page(out / 'report.html', Path(self.given).name, [one], self.faces)
        return found

    def _made(self, metrics: dict, settings: Mapping[str, Settings]) -> dict:
        """Everything that is needed to do it again."""
        model = settings['affect_node'].model if 'affect_node' in settings else ''
        return {
            'command': self.options.command,
            'versions': versions(metrics['version']),
            'model_sha256': sha256(model) if metrics.get('from') != 'affect' else None,
            'settings': {node: asdict(group) for node, group in settings.items()},
        }


def id_scores(run: Run, labels: Labels, out: Path) -> dict[str, float]:
    """IDF1, MOTA and what they are made of, against the boxes of the labels; writes those as `labelled_tracks.txt`."""
    boxes = [series.at(run.position(series.unit)) for person in labels.people if (series := labels.box(person))]
    with LineFile(out / 'labelled_tracks.txt') as file:
        for i, number in enumerate(run.numbers.tolist()):
            for person, each in enumerate(boxes, 1):
                if np.isfinite(each[i]).all():
                    box = ','.join(f'{v:.2f}' for v in each[i])
                    file.write(f'{number + 1},{person},{box},1,-1,-1,-1\n')
    return mot.scores(out / 'labelled_tracks.txt', out / 'tracks.txt')


def missing() -> list[str]:
    """Packages of the extra `eval` that are not installed."""
    wanted = {'sklearn': 'scikit-learn', 'torchmetrics': 'torchmetrics', 'matplotlib': 'matplotlib', 'jinja2': 'Jinja2'}
    return [name for module, name in wanted.items() if importlib.util.find_spec(module) is None]


def need_eval() -> None:
    """ConfigError when scores and figures cannot be made here."""
    if missing():
        raise ConfigError(f'labels need {", ".join(missing())}: pip install affect-perception[eval]')


def versions(ours: str) -> dict[str, str]:
    found = {'affect_perception': ours, 'python': platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def sha256(model: str) -> str | None:
    """Of the checkpoint's file; None for a name that stands for no file."""
    path = checkpoint.resolve(model) if model else None
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.is_file() else None
