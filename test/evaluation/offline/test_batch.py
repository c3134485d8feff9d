"""Batches: inputs found, named, evaluated once each, and continued after a kill."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from builders.bags import shades, write_bag2
from conftest import ROOT, wait_until

from affect_perception.cli import main
from affect_perception.errors import ConfigError
from affect_perception.evaluation.offline.inputs import find_inputs, is_several
from affect_perception.sources.scene.scene import Scene

FLAGS = ['--detector', 'dlib_hog', '--reid', 'off', '--no-align', '--device', 'cpu']


def command(inputs: list[Path], out: Path, *flags: str) -> list[str]:
    return ['evaluate', *map(str, inputs), '--out', str(out), *FLAGS, *flags]


def evaluated(capsys, inputs: list[Path], out: Path, *flags: str) -> dict:
    """The last line of the command, and its exit status as `status`."""
    status = main(command(inputs, out, *flags))
    return json.loads(capsys.readouterr().out.splitlines()[-1]) | {'status': status}


def statuses(result: dict) -> dict[str, str]:
    return {row['input']: row['status'] for row in result['results']}


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> Path:
    """A folder with two bags, one below another folder, and a clip of one person."""
    folder = tmp_path_factory.mktemp('made')
    (folder / 'monday').mkdir()
    write_bag2(folder / 'walk', {'/image': shades(3)})
    write_bag2(folder / 'monday' / 'walk', {'/image': shades(4)}, 'sqlite3')
    show = Scene(320, 240, 10.0, people=1, seed=2, duration_s=1)
    writer = cv2.VideoWriter(str(folder / 'person.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (320, 240))
    for i in range(6):
        writer.write(show.frame(i).rgb[..., ::-1].copy())
    writer.release()
    return folder


@pytest.fixture(scope='module')
def alone(made, tmp_path_factory) -> tuple[Path, dict]:
    """The results of that folder in one go, and the last line of the command."""
    out = tmp_path_factory.mktemp('alone')
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(command([made], out)) == 0
    return out, json.loads(said.getvalue().splitlines()[-1])


@pytest.fixture
def recordings(made, tmp_path) -> Path:
    """A copy of the folder, with the times of its files."""
    return shutil.copytree(made, tmp_path / 'recordings')


@pytest.fixture
def results(alone, tmp_path) -> Path:
    """A copy of its results."""
    return shutil.copytree(alone[0], tmp_path / 'out')


# ---- what is evaluated ---------------------------------------------------------------------------------------------


def test_folder_is_searched_for_recordings_and_each_gets_its_own_name(recordings, tmp_path):
    found = find_inputs([str(recordings)], tmp_path / 'out').inputs
    assert [item.name for item in found] == ['monday__walk', 'person.avi', 'walk']


def test_an_input_given_twice_is_evaluated_once(recordings, tmp_path):
    given = [str(recordings / 'walk'), str(recordings / 'walk'), str(recordings)]
    assert len(find_inputs(given, tmp_path / 'out').inputs) == 3


def test_own_results_below_the_folder_are_no_inputs(recordings):
    out = recordings / 'results'
    shutil.copytree(recordings / 'walk', out / 'walk')
    assert len(find_inputs([str(recordings)], out).inputs) == 3


def test_one_recording_is_not_several(recordings):
    assert is_several([str(recordings)])
    assert not is_several([str(recordings / 'walk')])
    assert not is_several([str(recordings / 'person.avi')])
    assert not is_several(['/no/such/thing'])


def test_missing_input_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='/no/such'):
        find_inputs(['/no/such'], tmp_path / 'out')
    with pytest.raises(ConfigError, match='no bag, video or image'):
        find_inputs([str(tmp_path)], tmp_path / 'out')


# ---- once, and again -----------------------------------------------------------------------------------------------


def test_each_input_has_a_folder_and_a_line_of_the_table(alone):
    out, result = alone
    assert (result['inputs'], result['done'], result['frames']) == (3, 3, 13)
    for name in ('monday__walk', 'person.avi', 'walk'):
        assert {p.name for p in (out / name).iterdir()} >= {'faces.csv', 'metrics.json', 'tracks.txt'}
    assert len((out / 'summary.csv').read_text().splitlines()) == 4


def test_finished_inputs_are_kept_also_when_all_has_moved(capsys, alone, recordings, results):
    again = evaluated(capsys, [recordings], results)
    assert set(statuses(again).values()) == {'kept'}
    assert (results / 'summary.csv').read_bytes() == (alone[0] / 'summary.csv').read_bytes()


def test_other_settings_or_another_content_are_evaluated_anew(capsys, recordings, results):
    bags = [recordings / 'walk', recordings / 'monday' / 'walk']
    (bags[0] / 'walk.mcap').touch()
    changed = evaluated(capsys, bags, results)
    assert statuses(changed) == {'walk': 'done', 'monday__walk': 'kept'}
    others = evaluated(capsys, bags, results, '--detect-every', '5')
    assert set(statuses(others).values()) == {'done'}
    threads = evaluated(capsys, bags, results, '--detect-every', '5', '--threads', '1')
    assert set(statuses(threads).values()) == {'kept'}


def test_an_input_that_fails_does_not_stop_the_others(capsys, recordings, results):
    (recordings / 'broken.mcap').write_bytes(b'nothing')
    shutil.rmtree(results / 'walk')
    result = evaluated(capsys, [recordings], results)
    assert (result['status'], result['failed']) == (1, 1)
    assert statuses(result) == {
        'broken.mcap': 'failed', 'monday__walk': 'kept', 'person.avi': 'kept', 'walk': 'done',
    }  # fmt: skip


@pytest.mark.parametrize(
    ('flags', 'says'),
    [
        (['--model', 'vgg'], 'vgg'),
        (['--device', 'cuda:99'], 'cuda:99'),
        (['--jobs', '0'], '--jobs'),
        (['--truth', 'truth.txt'], '--truth'),
    ],
)
def test_arguments_that_no_input_can_use_are_refused_once(capsys, recordings, tmp_path, flags, says):
    assert main(command([recordings], tmp_path / 'out', *flags)) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow
def test_killed_and_continued_in_parallel_gives_the_bytes_of_one_go(capsys, made, alone, tmp_path):
    out = tmp_path / 'out'
    start = [sys.executable, '-m', 'affect_perception.cli', *command([made], out)]
    running = subprocess.Popen(start, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: list(out.glob('*/finished.json')), 200)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    finished = {path.parent.name for path in out.glob('*/finished.json')}
    result = evaluated(capsys, [made], out, '--jobs', '2')
    assert (result['status'], result['failed']) == (0, 0)
    assert {name for name, status in statuses(result).items() if status == 'kept'} == finished
    for name in (*(f'{name}/faces.csv' for name in statuses(result)), 'summary.csv'):
        assert (out / name).read_bytes() == (alone[0] / name).read_bytes()


@pytest.mark.slow
def test_ray_does_the_same_work(capsys, recordings, tmp_path, monkeypatch):
    pytest.importorskip('ray', reason='needs Ray (pip install affect-perception[ray])')
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(ROOT), *sys.path]))  # of its workers
    result = evaluated(capsys, [recordings], tmp_path / 'out', '--ray', 'local')
    assert (result['status'], result['done']) == (0, 3)
