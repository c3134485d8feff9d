"""A detector process that stops (SIGSTOP) is noticed, told and replaced; live tracking and evaluation go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
pytest.importorskip('dlib', reason='needs dlib (pip install dlib-bin)')
from builders.peer import ASTRONAUT, PERIOD, T0, Peer
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image

from affect_perception.msg import FaceTrackArray
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.ros import conversions as convert
from affect_perception.types import Frame

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def detector_of(parent: int) -> int:
    """Process id of the detector that `parent` has started, 0: none. Live, it is a fork of a template."""
    found = [pid for pid in map(int, (p.name for p in Path('/proc').glob('[0-9]*'))) if parent in above(pid)]
    return max(found, key=lambda pid: len(above(pid)), default=0)


def above(pid: int) -> list[int]:
    """Parent of a running detector process, and the parent's parent if that is another one; [] for other processes."""
    try:
        folder = Path(f'/proc/{pid}')
        fields = (folder / 'stat').read_text().rpartition(')')[2].split()
        if fields[0] == 'Z' or b'detector_child' not in (folder / 'cmdline').read_bytes():
            return []
    except OSError:
        return []
    return [int(fields[1]), *above(int(fields[1]))]


def stop(pid: int) -> None:
    assert pid, 'there is no detector (0 would stop this process and its group)'
    os.kill(pid, signal.SIGSTOP)


def test_a_stopped_detector_is_told_and_replaced_while_tracks_go_on(spin):
    settings = {'detector': 'dlib_hog', 'reid': 'off', 'align': False, 'detect_every': 5, 'reliable_images': True}
    node = FaceTrackerNode(settings)
    peer = Peer(('image', Image), [('face_tracks', FaceTrackArray), ('/diagnostics', DiagnosticArray)])
    spin(node, peer)
    wait_until(peer.is_matched)
    tracks, statuses = peer.got['face_tracks'], peer.got['/diagnostics']
    stamps = iter(range(T0, T0 + 10**13, PERIOD))

    def play(until) -> None:
        def step() -> bool:
            peer.publisher.publish(convert.frame_to_msg(Frame(next(stamps), 'optical', ASTRONAUT)))
            time.sleep(0.03)
            return until()

        wait_until(step, 120)

    play(lambda: tracks and tracks[-1].tracks)
    stop(stopped := detector_of(os.getpid()))
    before = len(tracks)
    play(lambda: node.diagnostics.bad_inputs['detector'] == 1)
    assert len(tracks) > before + 2, 'tracking goes on meanwhile'

    def told() -> bool:
        values = {
            (v.key, v.value) for a in statuses for s in a.status if s.level != DiagnosticStatus.OK for v in s.values
        }
        return ('bad_inputs_detector', '1') in values

    play(told)
    seen = len(tracks)
    play(lambda: not node.detector.problem and any(t.tracks for t in tracks[seen:]))
    assert detector_of(os.getpid()) not in (0, stopped)
    assert node.diagnostics.bad_inputs['detector'] == 1


@pytest.fixture
def clip(tmp_path) -> Path:
    """A clip of a face, 300 images."""
    import cv2

    writer = cv2.VideoWriter(str(tmp_path / 'clip.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 20.0, (512, 512))
    for _ in range(300):
        writer.write(cv2.cvtColor(ASTRONAUT, cv2.COLOR_RGB2BGR))
    writer.release()
    return tmp_path / 'clip.avi'


def evaluate(clip: Path, out: Path) -> subprocess.Popen:
    """Start an evaluation and stop its detector in the middle."""
    command = [sys.executable, '-m', 'affect_perception.cli', 'evaluate', str(clip), '--out', str(out)]
    command += ['--detector', 'dlib_hog', '--detect-every', '3']
    pipe = subprocess.PIPE
    run = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, start_new_session=True)
    table = out / 'faces.csv'  # grows with the frames
    wait_until(lambda: table.is_file() and len(table.read_text().splitlines()) > 5, 120)
    stop(detector_of(run.pid))
    return run


def test_an_evaluation_does_not_wait_for_a_stopped_detector(clip, tmp_path):
    run = evaluate(clip, tmp_path / 'out')
    out, err = run.communicate(timeout=200)
    assert run.returncode == 0, err
    assert json.loads(out.splitlines()[-1])['frames'] == 300


def test_ctrl_c_ends_an_evaluation_whose_detector_has_stopped(clip, tmp_path):
    run = evaluate(clip, tmp_path / 'out')
    time.sleep(1)  # until the tracker waits for the detector
    os.killpg(run.pid, signal.SIGINT)
    run.communicate(timeout=200)
    assert run.returncode != 0
    wait_until(lambda: not detector_of(run.pid))
