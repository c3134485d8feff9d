"""The detector in a child process: the same results, clear refusals, and a child that dies or hangs is replaced."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import wait_until

pytest.importorskip('dlib', reason='needs dlib (pip install dlib-bin)')

from affect_perception.detectors import core_share, detector_child, detector_process, make_detector
from affect_perception.detectors.async_detector import AsyncDetector
from affect_perception.detectors.detector_process import (
    DetectorFailure,
    DetectorProcess,
    FaceAnalyzerProcess,
    start_detector_early,
    wants_process,
)
from affect_perception.detectors.face_analyzer import USED_SETTINGS, make_face_analyzer
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.runtime.processes import child_process, child_watch
from affect_perception.runtime.processes.child_watch import Progress, is_alive
from affect_perception.runtime.processes.forked_child import CAN_FORK
from affect_perception.runtime.processes.framing import Link
from affect_perception.settings import TrackerSettings
from affect_perception.types import DetectionRequest, Frame

HOG = TrackerSettings(detector='dlib_hog', reid='off', align=False)
STOPPED = 'the detector process was stopped by a signal and was killed'


@pytest.fixture(scope='module')
def frame() -> Frame:
    data = pytest.importorskip('skimage.data', reason='needs a photograph (pip install scikit-image)')
    return Frame(7, 'camera', np.ascontiguousarray(data.astronaut()))


@pytest.fixture(scope='module')
def analyzer():
    analyzer = FaceAnalyzerProcess(HOG)
    yield analyzer
    analyzer.close()


@pytest.mark.parametrize('live', [True, False])
def test_a_process_that_was_started_early_finds_the_same(frame, live):
    settings = HOG.changed(detector='auto', detect_device='cpu')
    start_detector_early(settings, live)
    early = child_process._early[detector_process._CHILD].child.pid
    process = FaceAnalyzerProcess(HOG, idle=live)
    try:
        taken = process._child._template.run if live and CAN_FORK else process._child._run
        assert taken.child.pid == early
        found, expected = (one.analyze(DetectionRequest(frame)) for one in (process, make_face_analyzer(HOG)))
        assert found.detections == expected.detections
    finally:
        process.close()


@pytest.mark.skipif(not CAN_FORK, reason='forks on Linux only')
def test_a_program_that_has_not_begun_to_work_imports_pytorch_once_for_itself_and_its_detector():
    pytest.importorskip('torch', reason='needs PyTorch')
    code = """
import sys
import numpy as np
from affect_perception.detectors.detector_process import FaceAnalyzerProcess, start_detector_early
from affect_perception.detectors.face_analyzer import USED_SETTINGS, make_face_analyzer
from affect_perception.runtime.processes.forked_child import ForkedChild
from affect_perception.settings import TrackerSettings
from affect_perception.types import DetectionRequest, Frame

settings = TrackerSettings(detect_device='cpu')
assert 'torch' not in sys.modules
start_detector_early(settings, live=True)
assert 'torch' in sys.modules
process = FaceAnalyzerProcess(settings)
assert isinstance(process._child._template.run.child, ForkedChild)
from skimage.data import astronaut
request = DetectionRequest(Frame(7, 'camera', np.ascontiguousarray(astronaut())))
found, expected = process.analyze(request), make_face_analyzer(settings).analyze(request)
assert found.detections == expected.detections and found.detections, (found, expected)
assert np.array_equal(found.rolls, expected.rolls)
process.close()
print('the same')
"""
    pytest.importorskip('skimage.data', reason='needs a photograph (pip install scikit-image)')
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=environment, timeout=120)
    assert run.stdout == 'the same\n', run.stderr


@pytest.mark.parametrize(('reid', 'built'), [('off', 1), ('auto', 2)])
def test_a_process_that_was_started_early_builds_another_analyzer_for_other_settings_only(monkeypatch, reid, built):
    made = []

    def make(settings, template):
        made.append(settings.reid)
        return SimpleNamespace(detector='one', name='one')

    monkeypatch.setattr(detector_child, '_warm_analyzer', make)
    ours, theirs = socket.socketpair()
    parent = Link(ours)
    parent.send('start', settings=dataclasses.asdict(HOG.changed(image_topic='other', reid=reid)), template=False)

    def serve():
        with contextlib.suppress(EOFError, OSError):
            detector_child.serve(Link(theirs), detector_child._prepared(HOG, live=False))

    child = threading.Thread(target=serve)
    child.start()
    try:
        assert parent.receive().kind == 'ready'
        assert len(made) == built
        assert made[-1] == reid
    finally:
        parent.close()
        child.join(10)
        theirs.close()


@pytest.mark.parametrize('name', ['dlib_cnn', 'dlib_hog', 'auto', 'yunet'])
@pytest.mark.parametrize('exhaustive', [False, True])
def test_the_named_settings_are_all_that_an_analyzer_is_built_from(name, exhaustive):
    read = set()

    class Recorder:
        def __getattr__(self, setting):
            read.add(setting)
            value = getattr(TrackerSettings(detector=name, detect_exhaustive=exhaustive), setting)
            return self if setting == 'changed' else value

        def __call__(self, **values):
            return self

    with contextlib.suppress(ConfigError):  # YuNet needs weights
        make_face_analyzer(Recorder())
    assert read - {'changed'} <= set(USED_SETTINGS)


@pytest.mark.parametrize(
    'settings',
    [
        TrackerSettings(detect_inline=True),
        TrackerSettings(detect_beside='thread'),
        TrackerSettings(detector='dlib_hog'),
        TrackerSettings(detect_device='cuda'),
    ],
)
def test_no_process_is_started_early_where_none_that_loads_pytorch_is_likely(settings):
    start_detector_early(settings, live=True)
    assert detector_process._CHILD not in child_process._early


def test_the_detectors_process_and_a_scene_without_sound_do_without_scipy():
    code = (
        'import sys, affect_perception.detectors.detector_child, affect_perception.sources.scene.scene, '
        'affect_perception.core.tracking.tracker; sys.exit("scipy" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def die(process: FaceAnalyzerProcess | DetectorProcess) -> None:
    os.kill(pid := process.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))


@pytest.mark.parametrize('settings', [HOG, HOG.changed(align=True, reid='auto')])
def test_a_process_measures_what_a_thread_measures(settings, frame):
    process = FaceAnalyzerProcess(settings)
    try:
        found, expected = (one.analyze(DetectionRequest(frame)) for one in (process, make_face_analyzer(settings)))
    finally:
        process.close()
    assert found.stamp_ns == expected.stamp_ns == 7
    assert found.detections
    assert found.detections == expected.detections
    for name in ('embeddings', 'rolls', 'colour_histograms'):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert (ours is None) == (theirs is None)
        np.testing.assert_array_equal(ours, theirs)


def test_a_child_that_died_between_two_images_is_started_again_and_told_each_time(frame):
    told = []
    process = FaceAnalyzerProcess(HOG, on_ended=told.append)
    try:
        for times in (1, 2):
            die(process)
            assert process.analyze(DetectionRequest(frame)).detections
            assert len(told) == times
            assert 'ended (status -9) between two detections' in told[-1]
    finally:
        process.close()


def test_settings_that_cannot_be_are_refused_at_the_start():
    with pytest.raises(ConfigError, match='no file /nowhere'):
        FaceAnalyzerProcess(TrackerSettings(detector='dlib_cnn', detector_weights='/nowhere'))


def test_closing_ends_the_child_and_it_stays_ended(frame):
    detector = AsyncDetector(analyzer := FaceAnalyzerProcess(HOG))
    detector.submit(DetectionRequest(frame))
    detector.close()
    assert not analyzer.running
    with pytest.raises(RuntimeError, match='closed'):
        analyzer.analyze(DetectionRequest(frame))


def test_closing_does_not_wait_for_a_stopped_child(frame):
    detector = AsyncDetector(analyzer := FaceAnalyzerProcess(HOG))
    os.kill(analyzer.pid, signal.SIGSTOP)
    detector.submit(DetectionRequest(frame))
    time.sleep(0.2)
    detector.close()
    assert not analyzer.running
    with pytest.raises(BadInputError, match=r'ended \(status -9\)'):
        detector.collect()


@pytest.mark.slow
def test_a_stopped_child_is_a_counted_failure_and_the_next_request_has_another_child(frame):
    detector = AsyncDetector(analyzer := FaceAnalyzerProcess(HOG))
    pid = analyzer.pid
    os.kill(pid, signal.SIGSTOP)
    detector.submit(DetectionRequest(frame))
    with pytest.raises(DetectorFailure, match=STOPPED) as caught:
        wait_until(detector.collect, 120)
    assert caught.value.kind == 'detector'
    assert STOPPED in detector.problem
    detector.submit(DetectionRequest(frame))
    assert detector.collect(wait=True).detections
    assert not detector.problem
    assert analyzer.pid != pid
    detector.close()


@pytest.mark.parametrize(
    ('settings', 'process'),
    [
        ({'detector': 'dlib_cnn', 'detect_device': 'cpu'}, True),
        ({'detector': 'dlib_cnn', 'detect_device': 'cpu', 'detect_inline': True}, False),
        ({'detector': 'dlib_cnn', 'detect_device': 'cuda'}, False),
        ({'detector': 'dlib_cnn', 'detect_device': 'cpu', 'detect_beside': 'thread'}, False),
        ({'detector': 'dlib_hog'}, True),
        ({'detector': 'dlib_cnn_native'}, True),
        ({'detector': 'dlib_hog', 'detect_beside': 'process'}, True),
    ],
)
def test_a_detector_on_the_cpu_gets_a_process_unless_told_otherwise(settings, process):
    assert wants_process(TrackerSettings(**settings)) is process


def test_a_detector_in_a_process_finds_what_the_same_one_finds_here_also_after_its_child_died(frame):
    detector, here = DetectorProcess(HOG), make_detector(HOG)
    try:
        assert detector.name == here.name
        assert here.detect(frame.rgb)
        assert detector.detect(frame.rgb) == here.detect(frame.rgb)
        die(detector)
        assert detector.detect(frame.rgb) == here.detect(frame.rgb)
    finally:
        detector.close()


@pytest.mark.slow
def test_an_image_over_which_the_child_stops_is_tried_once_more(frame):
    detector = DetectorProcess(HOG)
    try:
        os.kill(detector.pid, signal.SIGSTOP)
        assert detector.detect(frame.rgb) == make_detector(HOG).detect(frame.rgb)
    finally:
        detector.close()


def starve(process: FaceAnalyzerProcess, monkeypatch) -> None:
    """Stop the child; to the process that waits for it, it looks as one that gets no CPU time."""
    os.kill(pid := process.pid, signal.SIGSTOP)
    real = child_watch.progress
    monkeypatch.setattr(child_watch, 'progress', lambda asked: Progress(7, True) if asked == pid else real(asked))


def test_a_starved_process_is_told_and_one_with_a_share_of_the_cores_analyses_the_frame_until_these_are_free(
    frame, monkeypatch
):
    told = []
    process = FaceAnalyzerProcess(HOG, on_ended=told.append)
    try:
        assert process.analyze(DetectionRequest(frame)).detections  # the first one, for which everything waits
        wait_until(lambda: os.sched_getscheduler(process.pid) == os.SCHED_IDLE)
        starve(process, monkeypatch)
        assert process.analyze(DetectionRequest(frame)).detections
        assert len(told) == 1
        assert 'got next to no CPU time for 0.5 s, as all cores are full' in told[0]
        assert os.sched_getscheduler(process.pid) == os.sched_getscheduler(0) != os.SCHED_IDLE
        monkeypatch.setattr(core_share, 'progress', lambda pid: Progress(time.monotonic_ns(), True))
        process._share._since_s -= 60
        assert process.analyze(DetectionRequest(frame)).detections
        assert process.analyze(DetectionRequest(frame)).detections
        assert process.priority == 'idle'
        wait_until(lambda: os.sched_getscheduler(process.pid) == os.SCHED_IDLE)
    finally:
        process.close()


def test_a_starved_process_whose_share_was_lowered_gets_the_largest_one(frame, monkeypatch):
    told = []
    process = FaceAnalyzerProcess(HOG, on_ended=told.append)
    try:
        monkeypatch.setattr(process._share, 'adapt', lambda: False)
        process.priority, process._share.nice = 'share', 3
        die(process)
        assert process.analyze(DetectionRequest(frame)).detections
        process._share.nice = 7
        process._adapt()
        wait_until(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) >= 7)
        starve(process, monkeypatch)
        assert process.analyze(DetectionRequest(frame)).detections
        assert 'next to no CPU time' in told[-1]
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0)
        assert process.priority == 'share'
    finally:
        process.close()


@pytest.mark.skipif(not CAN_FORK, reason='forks on Linux only')
def test_a_detector_that_ends_is_forked_again_and_not_loaded_again(analyzer, frame):
    template = analyzer._child._template
    for _ in range(3):
        die(analyzer)
        assert analyzer.analyze(DetectionRequest(frame)).detections
    assert analyzer._child._template is template


@pytest.mark.skipif(not CAN_FORK, reason='forks on Linux only')
def test_a_detector_whose_template_ended_too_is_loaded_again(analyzer, frame):
    template = analyzer._child._template
    os.kill(template.run.child.pid, signal.SIGKILL)
    die(analyzer)
    assert analyzer.analyze(DetectionRequest(frame)).detections
    assert analyzer._child._template is not template
