"""Offline evaluation: the same bytes every time, and smiles in the right order through the whole pipeline."""

import csv
import shutil
from pathlib import Path

import cv2
import pytest
from skimage import data as pictures

from affect_perception.evaluation.offline import COLUMNS, evaluate
from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings
from affect_perception.sources.scene import Scene

HOG = TrackerSettings(detector='dlib_hog')
CPU = AffectSettings(device='cpu')


def table(folder: Path) -> list[dict]:
    with (folder / 'faces.csv').open() as file:
        return list(csv.DictReader(file))


def evaluated(given: Path, out: Path, **options) -> list[dict]:
    evaluate(str(given), out, SourceSettings(source=str(given)), HOG, CPU, **options)
    return table(out)


@pytest.fixture(scope='module')
def frames(tmp_path_factory) -> Path:
    """One second of the scene as a folder of frames."""
    folder = tmp_path_factory.mktemp('frames')
    scene = Scene(640, 360, 10.0, people=2, seed=3, duration_s=1)
    for index in range(10):
        cv2.imwrite(str(folder / f'{index}.png'), scene.frame(index).rgb[..., ::-1])
    return folder


def test_two_runs_give_the_same_bytes(frames, tmp_path):
    for out in ('one', 'two'):
        evaluated(frames, tmp_path / out, sequence=True)
    assert (tmp_path / 'one' / 'faces.csv').read_bytes() == (tmp_path / 'two' / 'faces.csv').read_bytes()


def test_frames_of_a_sequence_share_their_ids_and_single_pictures_do_not(frames, tmp_path):
    sequence = evaluated(frames, tmp_path / 'sequence', sequence=True)
    strangers = evaluated(frames, tmp_path / 'strangers')
    assert len({row['track_id'] for row in sequence}) == 2
    assert len({row['track_id'] for row in strangers}) == len(strangers)


def test_table_has_the_columns_of_the_contract(tmp_path):
    (tmp_path / 'in').mkdir()
    cv2.imwrite(str(tmp_path / 'in' / 'astronaut.png'), pictures.astronaut()[..., ::-1])
    rows = evaluated(tmp_path / 'in', tmp_path / 'out')
    assert list(rows[0]) == ['file', *COLUMNS]
    assert rows[0]['file'] == 'astronaut.png'
    assert rows[0]['smile_level'] in ('medium', 'high')


def test_london_test_people_smile_more_than_in_their_neutral_portrait(data, tmp_path):
    with (data / 'london' / 'index.csv').open() as file:
        wanted = [row for row in csv.DictReader(file) if row['split'] == 'test']
    (tmp_path / 'in').mkdir()
    for row in wanted:
        shutil.copy(data / 'london' / row['file'], tmp_path / 'in')
    found = {row['file']: float(row['smile_intensity']) for row in evaluated(tmp_path / 'in', tmp_path / 'out')}
    people = {row['person'] for row in wanted}
    right = [p for p in people if found.get(f'{p}_smiling.jpg', 0) > found.get(f'{p}_neutral.jpg', 1)]
    assert len(people) == 25
    assert len(right) >= 23
