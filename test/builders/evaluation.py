"""Evaluations for tests: scripted frames, tabulated and reported as `evaluate` does."""

import json
from html.parser import HTMLParser
from pathlib import Path

import builders.packages  # noqa: F401  # before torchmetrics
import numpy as np
import pytest

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')
pytest.importorskip('torchmetrics', reason='needs torchmetrics (pip install affect-perception[eval])')
pytest.importorskip('matplotlib', reason='needs matplotlib (pip install affect-perception[eval])')
pytest.importorskip('jinja2', reason='needs Jinja2 (pip install affect-perception[eval])')
pytest.importorskip('motmetrics', reason='needs motmetrics (pip install affect-perception[eval])')

from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.metrics import mot
from affect_perception.evaluation.offline.tables import face_row, header, write_json
from affect_perception.evaluation.report.analysis import Analysis, analyse
from affect_perception.evaluation.report.matching import match_people, parse_people
from affect_perception.evaluation.report.report import ReportCollector, ReportOptions
from affect_perception.evaluation.report.results import read_run
from affect_perception.runtime.files import LineFile
from affect_perception.settings import AffectSettings, TrackerSettings
from affect_perception.types import Affect, AffectFrame, Box, Frame

FPS = 10  # of the scripted frames, stamped from 50 s on
CERTAIN = {
    0: (0.97, 0.01, 0.01, 0.01),
    1: (0.01, 0.97, 0.01, 0.01),
    2: (0.01, 0.01, 0.97, 0.01),
    3: (0.01, 0.01, 0.01, 0.97),
}


def face(track_id: int, level: int, x: float = 0.0, valence: float = 0.1) -> Affect:
    """A face of 40 px at x with a certain smile level."""
    return Affect(track_id, Box(x, 20, 40, 40), 0.9, CERTAIN[level], level / 3, valence=valence, arousal=0.2)


def scripted_frames(*tracks: tuple[int, float, list]) -> list[tuple[Frame, AffectFrame]]:
    """Frames of noise with one face per (track id, x in px, smile level per frame or None for no face)."""
    rng = np.random.default_rng(0)
    frames = []
    for i in range(len(tracks[0][2])):
        stamp = 50_000_000_000 + i * 10**9 // FPS
        faces = tuple(face(t, levels[i], x) for t, x, levels in tracks if levels[i] is not None)
        rgb = rng.integers(0, 255, (120, 320, 3), dtype=np.uint8)
        frames.append((Frame(stamp, 'camera', rgb), AffectFrame(stamp, 'camera', 'first', faces)))
    return frames


SMILE = [0] * 20 + [2] * 20 + [0] * 20
CALM = [0] * 60
TWO_ANNOTATORS = 'start,end,smile,person,annotator\n2,4,medium,a,anna\n2.5,4,low,a,ben\n1,2,low,b,anna\n'


def evaluate_frames(folder: Path, frames: list, labels: tuple = (), sequence: bool = True, **options) -> Path:
    """Tabulate and report `frames` in a new folder, as `evaluate` does; returns the folder."""
    collector = ReportCollector(
        ReportOptions(tuple(labels), command='affect-perception evaluate', **options), 'clip.mp4'
    )
    folder.mkdir()
    with LineFile(folder / 'faces.csv') as table, LineFile(folder / 'tracks.txt') as tracks:
        table.rows([header(frames[0][1].expression_labels, frames[0][1].reaction_labels)])
        for index, (frame, affect) in enumerate(frames):
            table.rows(face_row(index, affect, one) for one in affect.faces)
            tracks.write(''.join(mot.line(index, one) for one in affect.faces))
            collector.add_frame(index, frame, affect)
    metrics = {'input': 'clip.mp4', 'version': '1', 'model': 'first', 'frames': len(frames)}
    metrics['frames_with_faces'] = sum(bool(affect.faces) for _, affect in frames)
    write_json(folder / 'metrics.json', metrics)
    settings = {'face_tracker_node': TrackerSettings(), 'affect_node': AffectSettings()}
    metrics |= collector.write(folder, metrics, sequence, settings)
    write_json(folder / 'metrics.json', metrics)
    return folder


def analyse_folder(folder: Path, labels: Path, people: str = '') -> Analysis:
    """Compare a finished evaluation with a file of labels."""
    run, read = read_run(folder), read_labels([labels])
    return analyse(run, read, match_people(run, read, parse_people(people)))


def metrics_of(folder: Path) -> dict:
    """Content of metrics.json."""
    return json.loads((folder / 'metrics.json').read_text())


class PageTags(HTMLParser):
    """Tags of a page: URLs that a browser would fetch, tags left open, names of all tags."""

    def __init__(self, page: str):
        super().__init__()
        self.fetched, self.open, self.seen = [], [], set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        if tag not in ('meta', 'img', 'br', 'link', 'input'):
            self.open.append(tag)
        for name, value in attributes:
            if name in ('src', 'href', 'xlink:href') and not value.startswith(('data:', '#')):
                self.fetched.append(value)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page_of(folder: Path) -> str:
    """Text of report.html."""
    return (folder / 'report.html').read_text()
