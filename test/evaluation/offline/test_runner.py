"""Offline evaluation: the same bytes every time, and smiles in the right order through the whole pipeline."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import pytest
from builders.bags import EPOCH_NS, image, write_bag2
from skimage import data as pictures

from affect_perception.errors import ConfigError
from affect_perception.evaluation.offline.runner import evaluate
from affect_perception.evaluation.offline.tables import COLUMNS
from affect_perception.models.smile_va import EXPRESSIONS
from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings
from affect_perception.sources.scene.scene import Scene

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


@pytest.fixture(scope='module')
def bag(frames, tmp_path_factory) -> Path:
    """Frames as a rosbag2, 10 a second."""
    stamps = [EPOCH_NS + i * 100_000_007 for i in range(10)]
    return write_bag2(tmp_path_factory.mktemp('bag') / 'bag', {'/image': recorded(frames, stamps)})


def recorded(frames: Path, stamps: list[int]) -> list:
    """The frames with these stamps, in the order of the frames."""
    pictures = [cv2.imread(str(frames / f'{index}.png'))[..., ::-1] for index in range(len(stamps))]
    return [(EPOCH_NS + i, image(rgb, t)) for i, (rgb, t) in enumerate(zip(pictures, stamps, strict=True))]


def test_two_runs_over_a_bag_give_the_same_bytes(bag, tmp_path):
    for out in ('one', 'two'):
        evaluated(bag, tmp_path / out)
    for name in ('faces.csv', 'tracks.txt', 'metrics.json'):
        assert (tmp_path / 'one' / name).read_bytes() == (tmp_path / 'two' / name).read_bytes()


def test_bag_gives_what_its_frames_give_with_its_own_stamps_to_the_nanosecond(bag, frames, tmp_path):
    rows = evaluated(bag, tmp_path / 'bag')
    assert [row['stamp'] for row in rows[:3:2]] == ['1700000000.000000000', '1700000000.100000007']
    plain = evaluated(frames, tmp_path / 'frames', sequence=True)
    for name in ('frame', 'track_id', 'smile_level'):
        assert [row[name] for row in rows] == [row[name] for row in plain]


def test_stamps_that_jump_are_reported_and_the_ids_begin_anew(frames, tmp_path):
    stamps = [EPOCH_NS + i * 10**8 for i in range(5)] + [EPOCH_NS - 3600 * 10**9 + i * 10**8 for i in range(5)]
    given = write_bag2(tmp_path / 'bag', {'/image': recorded(frames, stamps)})
    rows = evaluated(given, tmp_path / 'out')
    ids = [{row['track_id'] for row in rows if (int(row['frame']) < 5) == before} for before in (True, False)]
    assert len(ids[0]) == len(ids[1]) == 2
    assert not ids[0] & ids[1]
    metrics = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert metrics['bad_input_counts'] == {'stamp': 1}
    assert 'jump by -3600' in metrics['bad_inputs'][0]
    assert 'at image 5' in metrics['bad_inputs'][0]


def test_equal_stamps_are_no_reason_to_stop(frames, tmp_path):
    given = write_bag2(tmp_path / 'bag', {'/image': recorded(frames, [EPOCH_NS] * 10)})
    assert len(evaluated(given, tmp_path / 'out')) > 10


@pytest.mark.parametrize('start_from', ['tracks', 'affect'])
def test_results_can_be_taken_only_from_bags_that_hold_them(bag, frames, tmp_path, start_from):
    with pytest.raises(ConfigError, match=r'no messages of .*; its topics: /image'):
        evaluated(bag, tmp_path / 'out', start_from=start_from)
    with pytest.raises(ConfigError, match='is no bag'):
        evaluated(frames, tmp_path / 'out', start_from=start_from)


def test_frames_of_a_sequence_share_their_ids_and_single_images_do_not(frames, tmp_path):
    sequence = evaluated(frames, tmp_path / 'sequence', sequence=True)
    singles = evaluated(frames, tmp_path / 'singles')
    assert len({row['track_id'] for row in sequence}) == 2
    assert len({row['track_id'] for row in singles}) == len(singles)


def test_table_has_the_columns_of_the_contract(tmp_path):
    (tmp_path / 'in').mkdir()
    cv2.imwrite(str(tmp_path / 'in' / 'astronaut.png'), pictures.astronaut()[..., ::-1])
    rows = evaluated(tmp_path / 'in', tmp_path / 'out')
    assert list(rows[0]) == ['file', *COLUMNS, *EXPRESSIONS]
    assert rows[0]['file'] == 'astronaut.png'
    assert rows[0]['smile_level'] in ('medium', 'high')


@pytest.mark.data
@pytest.mark.slow
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
