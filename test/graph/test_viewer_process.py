"""agent, markers and dashboard in a process of their own: what they show, how they are refused, what a death does."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
pytest.importorskip('aiohttp', reason='needs aiohttp (pip install aiohttp)')

from builders.dashboard import face
from conftest import ROOT, wait_until
from rclpy.node import Node
from sensor_msgs.msg import Image

from affect_perception.errors import ConfigError
from affect_perception.graph import viewer_process
from affect_perception.graph.viewer_process import ViewerProcess
from affect_perception.msg import AgentBehaviour, FaceAffectArray
from affect_perception.ros import conversions as convert
from affect_perception.ros import qos
from affect_perception.ros.executors import Spinner
from affect_perception.runtime.processes import child_process
from affect_perception.types import AffectFrame, Frame

T0 = 1_795_000_000_000_000_000


class Results(Node):
    """Publishes results, and looks at what others make of them."""

    def __init__(self):
        super().__init__('results')
        self.affect = self.create_publisher(FaceAffectArray, 'face_affect', qos.RESULTS)
        self.overlays, self.behaviours = [], []

    def look(self) -> None:
        self.create_subscription(Image, 'overlay', self.overlays.append, 10)
        self.create_subscription(AgentBehaviour, 'agent_behaviour', self.behaviours.append, 10)

    def send(self, stamp_ns: int) -> None:
        self.affect.publish(convert.affect_to_msg(AffectFrame(stamp_ns, 'optical', 'first', (face(7),))))


@pytest.fixture
def viewers():
    """Starts a process with some nodes."""
    started = []

    def start(**nodes) -> ViewerProcess:
        started.append(ViewerProcess())
        for name, overrides in nodes.items():
            started[-1].make(name, overrides)
        started[-1].wait()
        return started[-1]

    yield start
    for process in started:
        process.close()
        wait_until(lambda process=process: not process.running)  # killed, it needs a core to end


@pytest.fixture
def said(monkeypatch):
    """Records logged as errors."""
    texts = []

    class Log:
        error = staticmethod(texts.append)

    monkeypatch.setattr(viewer_process, 'get_logger', lambda name: Log)
    return texts


def status_of(address: str, **headers) -> int:
    """HTTP status of the page, 0 while nobody listens."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_results_are_answered_and_drawn_into_their_image_and_stop_with_the_process(ros, viewers):
    process = viewers(agent_node={}, marker_node={'overlay_width': 320, 'overlay_rate': 60.0})
    results = Results()
    spinner = Spinner([results])
    try:
        assert results.affect.get_subscription_count() == 0, 'nothing is heard while nobody looks'
        results.look()
        wait_until(lambda: results.affect.get_subscription_count() == 2)
        stamps = iter(range(T0, T0 + 10**12, 33_000_000))

        def played() -> list:
            stamp_ns = next(stamps)
            process.show(Frame(stamp_ns, 'optical', np.full((480, 640, 3), stamp_ns // 33_000_000 % 200, np.uint8)))
            results.send(stamp_ns)
            time.sleep(0.02)
            return results.overlays and results.behaviours

        wait_until(played)
    finally:
        spinner.close()
        results.destroy_node()
    msg = results.overlays[0]
    assert (msg.width, msg.height) == (320, 240)
    stamp_ns = convert.stamp_from_msg(msg.header.stamp)
    assert convert.frame_from_msg(msg).rgb[0, 0, 0] == stamp_ns // 33_000_000 % 200, 'the image of another stamp'


@pytest.mark.parametrize(
    ('node', 'overrides', 'says'),
    [
        ('agent_node', {'policy': 'affect_perception.core.agent:Nobody'}, 'no class Nobody'),
        ('dashboard_node', {'dashboard_address': '0.0.0.0'}, 'dashboard_token is not set'),
        ('marker_node', {'overlay_rate': -1.0}, 'overlay_rate = -1.0 is out of range'),
    ],
)
def test_what_cannot_be_had_is_refused_at_start(viewers, node, overrides, says):
    with pytest.raises(ConfigError, match=says):
        viewers(**{node: overrides})


def test_a_process_that_cannot_start_is_an_error_of_the_start_and_not_waited_for(viewers, monkeypatch, capfd):
    monkeypatch.setattr(child_process.sys, 'executable', '/bin/false')
    with pytest.raises(ConfigError, match=r'the (viewer process|process of agent_node) ended \(status 1\)'):
        viewers(agent_node={})


def test_what_was_bad_is_counted_and_asked_for(viewers, monkeypatch):
    monkeypatch.setattr(viewer_process, '_ANSWER_S', 60.0)
    process = viewers(dashboard_node={'dashboard_port': 0})
    assert process.bad_inputs() == 0
    assert status_of(process.address, Host='evil.example') == 403
    assert process.bad_inputs() == 1


def test_a_process_that_dies_is_said_and_the_page_comes_back_where_it_was(viewers, monkeypatch, said):
    monkeypatch.setattr(child_process, '_EARLY_S', 0.0)
    process = viewers(dashboard_node={'dashboard_port': 0})
    assert status_of(process.address) == 200
    before, pid = process.address, process.pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: process.pid != pid)
    wait_until(lambda: status_of(before) == 200)
    assert said == ['the process of dashboard_node ended (status -9); it is started again']


@pytest.mark.slow
def test_a_stopped_process_is_noticed_and_replaced(viewers, monkeypatch, said):
    monkeypatch.setattr(child_process, '_EARLY_S', 0.0)
    process = viewers(dashboard_node={'dashboard_port': 0})
    pid = process.pid
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: process.pid != pid)
    wait_until(lambda: status_of(process.address) == 200)
    assert said == ['the process of dashboard_node was stopped by a signal and was killed; it is started again']


def test_closing_does_not_wait_for_a_stopped_process(viewers):
    process = viewers(agent_node={})
    os.kill(process.pid, signal.SIGSTOP)
    process.close()
    wait_until(lambda: not process.running)


def test_a_message_of_the_viewers_that_makes_no_sense_is_skipped(viewers, monkeypatch):
    process = viewers(agent_node={})
    errors = []
    monkeypatch.setattr(process, '_failures', errors.append)
    taken = process._take_answer

    def fail(**fields) -> None:
        taken(**fields)
        raise LookupError('injected')

    monkeypatch.setattr(process, '_take_answer', fail)
    process.make('marker_node')
    wait_until(lambda: len(errors) == 1)
    assert process.bad_inputs() == 0, 'the next answer is taken'
    process._send('nonsense', field=1)
    assert process.bad_inputs() == 0, 'the other side skips it, too'
    assert process.restarts == 0


def test_a_process_that_sends_garbage_is_replaced(viewers, monkeypatch, said):
    monkeypatch.setattr(child_process, '_EARLY_S', 0.0)
    process, ends = viewers(agent_node={}), []
    process.on_end = ends.append
    receive = process._child._run.link.receive

    def garbage(*given):
        receive(*given)
        raise ValueError('not JSON')

    monkeypatch.setattr(process._child._run.link, 'receive', garbage)
    process.bad_inputs()
    wait_until(lambda: process.restarts == 1)
    assert 'ended' in ends[0]
    wait_until(lambda: process._answers.get('agent_node', 1) is None)


def test_a_process_that_dies_at_once_is_left_dead_and_the_graph_goes_on(viewers, monkeypatch, said):
    monkeypatch.setattr(child_process, '_EARLY_S', 600.0)
    process = viewers(dashboard_node={'dashboard_port': 0})
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: said)
    assert 'the graph goes on without' in said[0]
    process.show(Frame(T0, 'optical', np.zeros((48, 64, 3), np.uint8)))
    assert process.bad_inputs() == 0


def test_the_process_ignores_signals_for_all_and_ends_with_the_one_that_made_it():
    code = (
        'import os, time; from affect_perception.graph.viewer_process import ViewerProcess; '
        "p = ViewerProcess(); p.make('agent_node'); p.wait(); print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    child = int(parent.stdout.readline())
    os.kill(child, signal.SIGINT)
    os.kill(child, signal.SIGTERM)
    time.sleep(0.3)
    assert running(child)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not running(child))


def running(pid: int) -> bool:
    """A zombie, which waits for whoever reaps orphans here, runs no more."""
    stat = Path(f'/proc/{pid}/stat')
    try:
        return stat.read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def test_interrupted_run_ends_whole_with_its_figures_and_leaves_nobody_behind(tmp_path):
    command = [sys.executable, '-m', 'affect_perception.cli', 'run', '--source', 'scene', '--detector', 'dlib_hog']
    command += ['--width', '320', '--height', '240', '--dashboard-port', '0', '--reid', 'off']
    pipe = subprocess.PIPE
    run = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, start_new_session=True)
    lines = iter(run.stdout.readline, '')
    assert any(line.startswith('dashboard: http://localhost:') for line in lines), 'after what backends print'
    assert ' people ' in next(lines)
    os.killpg(run.pid, signal.SIGINT)  # as Ctrl-C does: the children get it too
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0
    assert '"bad_inputs": 0' in out.splitlines()[-1]
    assert 'Traceback' not in err
    assert 'ended' not in err
    wait_until(lambda: not any_of_session(run.pid))


def any_of_session(session: int) -> bool:
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = stat.read_text().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != 'Z':
            return True
    return False


def test_viewers_whose_nodes_do_not_close_end_all_the_same():
    code = (
        'import threading, types; from affect_perception.graph import viewer_child\n'
        'viewer_child._CLOSE_S = 0.2\n'
        'viewers = viewer_child.ViewerNodes(None)\n'
        'viewers._nodes["stuck"] = types.SimpleNamespace(close=threading.Event().wait)\n'
        'viewers._close()'
    )
    assert subprocess.run([sys.executable, '-c', code], timeout=300).returncode == 1
