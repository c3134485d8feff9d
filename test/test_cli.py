"""Every command as a user types it: bad input is one line on stderr and exit status 2, never a traceback."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from affect_perception.cli import main

SMALL = ['--width', '320', '--height', '240', '--fps', '10', '--scene-people', '1', '--detector', 'dlib_hog']


def refused(capsys, *argv: str) -> str:
    """The one line that the command ends with."""
    assert main(list(argv)) == 2
    out = capsys.readouterr()
    lines = [line for line in out.err.strip().splitlines() if not line.startswith('[')]  # without those of ROS
    assert len(lines) == 1, out.err
    assert 'Traceback' not in out.err
    return lines[0]


@pytest.fixture
def no_image(tmp_path: Path) -> str:
    path = tmp_path / 'letter.mp4'
    path.write_text('dear robot')
    return str(path)


@pytest.mark.parametrize(
    ('flags', 'says'),
    [
        (['--source', '/no/such/clip.mp4'], '/no/such/clip.mp4'),
        (['--source', 'camera:97'], 'camera'),
        (['--source', 'webcam'], 'unknown source'),
        (['--source', 'topic:/nobody/here'], '/nobody/here'),
        (['--source', 'scene', '--model', 'vgg'], 'vgg'),
        (['--source', 'scene', '--device', 'cuda:99'], 'cuda:99'),
        (['--source', 'scene', '--device', 'tpu'], 'tpu'),
        (['--source', 'scene', '--detector', 'haar'], 'haar'),
        (['--source', 'scene', '--detect-every', '0'], 'detect_every = 0'),
        (['--source', 'scene', '--duration', '-1'], '--duration'),
        (['--source', 'scene', '--duration', 'nan'], '--duration nan'),
        (['--source', '/proc/self/mem'], '/proc/self/mem'),
        (['--source', 'scene', '--model', 'a\udcff'], 'UTF-8'),
        (['--source', 'scene', '--dashboard-address', 'a..b'], 'a..b'),
    ],
)
@pytest.mark.ros
def test_run_refuses_what_it_cannot_use(capsys, flags, says):
    pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
    assert says in refused(capsys, 'run', *flags)


@pytest.mark.ros
def test_run_refuses_a_file_that_is_no_video(capsys, no_image):
    pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
    assert 'letter.mp4' in refused(capsys, 'run', '--source', no_image)


@pytest.mark.ros
def test_run_refuses_a_checkpoint_that_is_none(capsys, no_image):
    pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
    assert 'letter.mp4' in refused(capsys, 'run', '--source', 'scene', '--model', no_image)


@pytest.mark.ros
def test_run_ends_by_itself_with_its_figures_as_the_last_line(capsys):
    pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
    assert main(['run', '--source', 'scene', '--duration', '3', *SMALL]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    last = json.loads(lines[-1])
    assert set(last) >= {
        'frames_in', 'frames_processed', 'frames_dropped', 'messages', 'people_max', 'track_ids', 'latency_ms', 'fps',
    }  # fmt: skip
    assert set(last['latency_ms']) == {'p50', 'p95', 'p99'}
    assert last['frames_in'] == last['frames_processed'] + last['frames_dropped']
    assert last['messages'] > 0
    assert any('people' in line and 'latency' in line for line in lines[:-1])


@pytest.mark.parametrize('what', ['scene', 'camera:0', '/no/such/folder'])
def test_evaluate_refuses_what_is_no_recording(capsys, tmp_path, what):
    assert what in refused(capsys, 'evaluate', what, '--out', str(tmp_path))


def test_evaluate_refuses_an_empty_folder(capsys, tmp_path):
    (tmp_path / 'in').mkdir()
    assert 'in' in refused(capsys, 'evaluate', str(tmp_path / 'in'), '--out', str(tmp_path / 'out'))


def test_train_refuses_a_configuration_that_is_not_there(capsys):
    assert 'nothing.yaml' in refused(capsys, 'train', 'nothing.yaml')


def test_models_lists_what_is_installed_with_json_last(capsys):
    assert main(['models']) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert 'smile_va_open' in json.dumps(json.loads(lines[-1]))


def test_evaluate_goes_on_after_a_broken_picture_and_says_so(tmp_path, capsys):
    pictures = tmp_path / 'in'
    pictures.mkdir()
    cv2.imwrite(str(pictures / '1.png'), np.full((120, 160, 3), 80, np.uint8))
    (pictures / '2.png').write_bytes(b'no picture')
    cv2.imwrite(str(pictures / '3.png'), np.full((120, 160, 3), 90, np.uint8))
    assert main(['evaluate', str(pictures), '--out', str(tmp_path / 'out'), '--detector', 'dlib_hog']) == 0
    last = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (last['frames'], len(last['bad_inputs'])) == (2, 1)
    assert '2.png' in last['bad_inputs'][0]


@pytest.mark.parametrize('what', ['detector', 'ids'])
def test_flags_of_a_bench_reach_it(capsys, what):
    with pytest.raises(SystemExit) as ended:
        main(['bench', what, '--help'])
    assert ended.value.code == 0
    assert f'bench {what}' in capsys.readouterr().out


def test_unknown_flag_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['models', '--shiny'])
    assert ended.value.code == 2
    assert '--shiny' in capsys.readouterr().err


def test_a_preset_of_bench_pipeline_gives_people_size_and_rate_and_own_flags_weigh_more():
    from affect_perception.cli import parser
    from affect_perception.cli.bench import with_preset
    from affect_perception.cli.flags import settings_by_node

    def loaded(*flags):
        args = parser().parse_args(['bench', 'pipeline', *flags])
        camera = with_preset(args, settings_by_node(args))['camera_node']
        return args.people, camera.get('width'), camera.get('fps')

    assert loaded() == (4, None, None)
    assert loaded('--preset', '32-people') == (32, 1280, 15.0)
    assert loaded('--preset', '1080p', '--people', '2', '--fps', '10') == (2, 1920, 10.0)
