"""Collects an evaluation frame by frame, then writes `frames.csv`, `report.html` and the scores of `metrics.json`.

report.html is one file that opens offline: figures are SVG, faces (unless `--no-faces`) embedded thumbnails.
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
from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.labels.series import BOX, Labels, add_smile_levels
from affect_perception.evaluation.metrics import mot
from affect_perception.evaluation.report.matching import check_people, match_people, parse_people
from affect_perception.evaluation.report.results import EvaluationRun, load_run
from affect_perception.evaluation.report.thumbnails import Thumbnails
from affect_perception.models import checkpoint
from affect_perception.runtime.files import LineFile, text_of_name
from affect_perception.settings import AffectSettings, Settings
from affect_perception.types import AffectFrame, Frame

_ONE_CLOCK = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.gif', '.bag', '.mcap', '.db3')  # frames without file names
_PACKAGES = ('numpy', 'torch', 'opencv-python-headless', 'dlib-bin', 'scikit-learn', 'torchmetrics', 'motmetrics')


@dataclass(frozen=True)
class ReportOptions:
    """Options of the report: label files, `people` as `anna=1,ben=2+5`, thumbnails or none, command as typed."""

    labels: tuple[Path, ...] = ()
    people: str = ''
    faces: bool = True
    command: str = ''


class ReportCollector:
    """Collects the frames of an evaluation for its report.

    Labels are read by the constructor: its ConfigError comes before the work, not after it.
    """

    def __init__(self, options: ReportOptions, given: str) -> None:
        self.options, self.given = options, given
        self.people = parse_people(options.people)
        self.labels = add_smile_levels(read_labels(options.labels, given)) if options.labels else None
        if self.people and self.labels is None:
            raise ConfigError(f'--people {options.people!r} says who is who in labels; give them with --labels')
        if self.labels is not None:
            need_eval()
            check_people(self.labels, self.people)
            if any(s.unit == 'file' for s in self.labels.series) and Path(given).suffix.lower() in _ONE_CLOCK:
                raise ConfigError(
                    f'the labels name files, but {given} is no folder of images; give frame or time instead'
                )
        self.faces = Thumbnails() if options.faces else None
        self._frames: list[tuple[int, int, str]] = []  # number, stamp in ns, file

    def add_frame(self, index: int, frame: Frame | None, affect: AffectFrame, file: str = '') -> None:
        """Add the affect of one frame; `frame` is None where only results were recorded."""
        self._frames.append((index, affect.stamp_ns, file))
        if self.faces is not None and frame is not None:
            self.faces.add_frame(frame, affect)

    def write(self, out: Path, metrics: dict, sequence: bool, settings: Mapping[str, Settings]) -> dict:
        """Write `frames.csv` and `report.html` beside the finished `faces.csv`; returns what metrics.json gains."""
        files = any(file for _, _, file in self._frames)
        with LineFile(out / 'frames.csv') as table:
            table.rows([['frame', 'stamp', *(['file'] if files else [])]])
            table.rows(
                [n, f'{ns // 10**9}.{ns % 10**9:09d}', *([file] if files else [])] for n, ns, file in self._frames
            )
        found: dict = {'sequence': sequence, 'made': self._made(metrics, settings)}
        if self.labels is None and missing_packages():
            return found | {
                'report': f'none: it needs {", ".join(missing_packages())} (pip install affect-perception[eval])'
            }
        run = load_run(out, metrics['model'], sequence, metrics.get('time_zero'))
        analysis = None
        if self.labels is not None:
            from affect_perception.evaluation.report.analysis import analyse

            analysis = analyse(run, self.labels, match_people(run, self.labels, self.people))
            found |= analysis.metrics
            if 'ids' not in metrics and any(s.quantity == BOX for s in self.labels.series):
                found['ids'] = id_scores(run, self.labels, out)
        from affect_perception.evaluation.report.blocks import ReportRun
        from affect_perception.evaluation.report.page import write_page

        one = ReportRun(f'model {metrics["model"]}', run, analysis, {**metrics, **found})
        write_page(out / 'report.html', text_of_name(Path(self.given).name), [one], self.faces)
        return found

    def _made(self, metrics: dict, settings: Mapping[str, Settings]) -> dict:
        """All that is needed to repeat the run."""
        affect = settings.get('affect_node')
        model = affect.model if isinstance(affect, AffectSettings) else ''
        return {
            'command': text_of_name(self.options.command),
            'versions': versions(metrics['version']),
            'model_sha256': sha256(model) if metrics.get('from') != 'affect' else None,
            'settings': {node: asdict(group) for node, group in settings.items()},
        }


def id_scores(run: EvaluationRun, labels: Labels, out: Path) -> dict[str, float]:
    """IDF1, MOTA and their counts against the boxes of the labels, which are written to `labelled_tracks.txt`."""
    boxes = [series.at(run.positions(series.unit)) for person in labels.people if (series := labels.box(person))]
    with LineFile(out / 'labelled_tracks.txt') as file:
        for i, number in enumerate(run.frame_numbers.tolist()):
            for person, each in enumerate(boxes, 1):
                if np.isfinite(each[i]).all():
                    box = ','.join(f'{v:.2f}' for v in each[i])
                    file.write(f'{number + 1},{person},{box},1,-1,-1,-1\n')
    return mot.scores(out / 'labelled_tracks.txt', out / 'tracks.txt')


def missing_packages() -> list[str]:
    """Packages of the extra `eval` that are not installed."""
    wanted = {'sklearn': 'scikit-learn', 'torchmetrics': 'torchmetrics', 'matplotlib': 'matplotlib', 'jinja2': 'Jinja2'}
    return [name for module, name in wanted.items() if importlib.util.find_spec(module) is None]


def need_eval() -> None:
    """Check that the extra `eval` is installed; ConfigError names the missing packages."""
    if missing_packages():
        raise ConfigError(f'labels need {", ".join(missing_packages())}: pip install affect-perception[eval]')


def versions(ours: str) -> dict[str, str]:
    """Versions of this package (`ours`), Python and the packages that the numbers depend on."""
    found = {'affect_perception': ours, 'python': platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def sha256(model: str) -> str | None:
    """SHA-256 of a checkpoint, given by name or path; None where there is no file."""
    path = checkpoint.resolve(model) if model else None
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.is_file() else None
