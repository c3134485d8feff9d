"""Checkpoints of the papers' networks through `evaluate`: columns, unknown fields, crops of the model's size."""

import csv
import math

import cv2
import pytest
from builders.papers import SMALL, needs_torchvision, paper_checkpoint
from skimage import data as pictures

from affect_perception.evaluation.offline.pipeline import FrameProcessor
from affect_perception.evaluation.offline.runner import evaluate
from affect_perception.evaluation.report.report import ReportOptions
from affect_perception.models import MODELS
from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings
from affect_perception.types import Frame

TRACKER = TrackerSettings(detector='dlib_hog', detect_beside='thread', reid='off', align=False)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A sequence of three images with a face."""
    made = tmp_path_factory.mktemp('images')
    for index in range(3):
        cv2.imwrite(str(made / f'{index}.jpg'), pictures.astronaut()[:320, 60:380, ::-1])
    return made


def settings(path: str) -> AffectSettings:
    return AffectSettings(model=path, device='cpu', backend='torch', threads=1)


@pytest.mark.parametrize('name', [pytest.param(n, marks=needs_torchvision(n)) for n in SMALL])
def test_every_paper_is_tabulated_the_same_way_twice(name, folder, tmp_path):
    path = paper_checkpoint(name, tmp_path)
    tables = []
    for out in ('one', 'two'):
        source = SourceSettings(source=str(folder))
        evaluate(
            str(folder), tmp_path / out, source, TRACKER, settings(path), sequence=True,
            report=ReportOptions(faces=False), video=out == 'one',
        )  # fmt: skip
        tables.append((tmp_path / out / 'faces.csv').read_bytes())
    assert tables[0] == tables[1]
    with (tmp_path / 'one' / 'faces.csv').open() as file:
        rows = list(csv.DictReader(file))
    model = MODELS[name](**SMALL[name])
    names = [*model.expressions, *(f'reaction_{r}' for r in model.reactions)]
    assert list(rows[0])[list(rows[0]).index('arousal') + 1 :] == names
    assert len(rows) == 3
    has_smile, has_affect = name == 'witzig2019', name not in ('witzig2019', 'qian2023')
    assert (rows[0]['smile_level'] != 'unknown') == has_smile
    assert math.isfinite(float(rows[0]['valence'])) == has_affect
    assert all(0 <= float(rows[0][n]) <= 1 for n in names)


def test_crops_have_the_size_that_the_model_was_trained_on(tmp_path):
    path = paper_checkpoint('witzig2019', tmp_path, crop_size=160)
    processor = FrameProcessor(TRACKER, settings(path))
    try:
        (track,) = processor.track(Frame(0, 'camera', pictures.astronaut()[:320, 60:380])).tracks
    finally:
        processor.close()
    assert track.crop.shape == (160, 160, 3)
