"""Many inputs at once: found, named, done once each, and continued after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from bag_builders import shades, write_bag2
from conftest import ROOT, wait_until

from affect_perception.cli import main
from affect_perception.errors import ConfigError
from affect_perception.evaluation.inputs import find_inputs, is_several
from affect_perception.sources.scene import Scene

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
def scene() -> list:
    """Frames with one person."""
    show = Scene(320, 240, 10.0, people=1, seed=2, duration_s=1)
    return [show.frame(i).rgb for i in range(6)]


@pytest.fixture
def recordings(scene, tmp_path) -> Path:
    """A folder with two bags, one below another folder, and a clip."""
    folder = tmp_path / 'recordings'
    (folder / 'monday').mkdir(parents=True)
    write_bag2(folder / 'walk', {'/image': shades(3)})
    write_bag2(folder / 'monday' / 'walk', {'/image': shades(4)}, 'sqlite3')
    writer = cv2.VideoWriter(str(folder / 'person.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (320, 240))
    for rgb in scene:
        writer.write(rgb[..., ::-1].copy())
    writer.release()
    return folder


# ---- what is evaluated ---------------------------------------------------------------------------------------------


def test_folder_is_searched_for_recordings_and_each_gets_its_own_name(recordings, tmp_path):
    found = find_inputs([str(recordings)], tmp_path / 'out')
    assert [item.name for item in found] == ['monday__walk', 'person.avi', 'walk']


def test_an_input_given_twice_is_evaluated_once(recordings, tmp_path):
    given = [str(recordings / 'walk'), str(recordings / 'walk'), str(recordings)]
    assert len(find_inputs(given, tmp_path / 'out')) == 3


def test_own_results_below_the_folder_are_no_inputs(recordings):
    out = recordings / 'results'
    shutil.copytree(recordings / 'walk', out / 'walk')
    assert len(find_inputs([str(recordings)], out)) == 3


def test_one_recording_is_not_several(recordings):
    assert is_several([str(recordings)])
    assert not is_several([str(recordings / 'walk')])
    assert not is_several([str(recordings / 'person.avi')])
    assert not is_several(['/no/such/thing'])


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='/no/such'):
        find_inputs(['/no/such'], tmp_path / 'out')
    with pytest.raises(ConfigError, match='no bag, video or image'):
        find_inputs([str(tmp_path)], tmp_path / 'out')


# ---- once, and again -----------------------------------------------------------------------------------------------


def test_each_input_has_a_folder_and_finished_ones_are_kept(capsys, recordings, tmp_path):
    out = tmp_path / 'out'
    first = evaluated(capsys, [recordings], out)
    assert (first['status'], first['inputs'], first['done'], first['frames']) == (0, 3, 3, 13)
    for name in ('monday__walk', 'person.avi', 'walk'):
        assert {p.name for p in (out / name).iterdir()} >= {'faces.csv', 'metrics.json', 'tracks.txt'}
    summary = (out / 'summary.csv').read_text()
    assert len(summary.splitlines()) == 4
    again = evaluated(capsys, [recordings], out)
    assert set(statuses(again).values()) == {'kept'}
    assert (out / 'summary.csv').read_text() == summary


def test_other_settings_or_another_content_are_evaluated_anew(capsys, recordings, tmp_path):
    out, bags = tmp_path / 'out', [recordings / 'walk', recordings / 'monday' / 'walk']
    evaluated(capsys, bags, out)
    (bags[0] / 'walk.mcap').touch()
    changed = evaluated(capsys, bags, out)
    assert sorted(statuses(changed).values()) == ['done', 'kept']
    others = evaluated(capsys, bags, out, '--detect-every', '5')
    assert set(statuses(others).values()) == {'done'}
    threads = evaluated(capsys, bags, out, '--detect-every', '5', '--threads', '1')
    assert set(statuses(threads).values()) == {'kept'}


def test_an_input_that_fails_does_not_stop_the_others(capsys, recordings, tmp_path):
    (recordings / 'broken.mcap').write_bytes(b'nothing')
    result = evaluated(capsys, [recordings], tmp_path / 'out')
    assert (result['status'], result['done'], result['failed']) == (1, 3, 1)
    assert statuses(result)['broken.mcap'] == 'failed'


@pytest.mark.parametrize(
    ('flags', 'says'),
    [
        (['--model', 'vgg'], 'vgg'),
        (['--device', 'cuda:99'], 'cuda:99'),
        (['--jobs', '0'], '--jobs'),
        (['--truth', 'truth.txt'], '--truth'),
    ],
)
def test_what_would_fail_everywhere_is_refused_once(capsys, recordings, tmp_path, flags, says):
    assert main(command([recordings], tmp_path / 'out', *flags)) == 2
    error = capsys.readouterr().err.strip()
    assert says in error and len(error.splitlines()) == 1


def test_killed_and_continued_in_parallel_gives_the_bytes_of_one_go(capsys, recordings, tmp_path):
    start = [sys.executable, '-m', 'affect_perception.cli']
    alone = tmp_path / 'alone'
    evaluated(capsys, [recordings], alone)
    out = tmp_path / 'out'
    running = subprocess.Popen([*start, *command([recordings], out)], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: list(out.glob('*/finished.json')), 60)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    unfinished = sorted(p.parent.name for p in out.glob('*/finished.json'))
    result = evaluated(capsys, [recordings], out, '--jobs', '2')
    assert (result['status'], result['failed']) == (0, 0)
    assert {name for name, status in statuses(result).items() if status == 'kept'} >= set(unfinished)
    for name in statuses(result):
        assert (out / name / 'faces.csv').read_bytes() == (alone / name / 'faces.csv').read_bytes()
    assert (out / 'summary.csv').read_bytes() == (alone / 'summary.csv').read_bytes()


def test_ray_does_the_same_work(capsys, recordings, tmp_path, monkeypatch):
    pytest.importorskip('ray', reason='needs Ray (pip install affect-perception[ray])')
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(ROOT), *sys.path]))  # of its workers
    result = evaluated(capsys, [recordings], tmp_path / 'out', '--ray', 'local')
    assert (result['status'], result['done']) == (0, 3)
