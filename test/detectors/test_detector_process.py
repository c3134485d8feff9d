"""The detector in a process of its own: the same answers, clear refusals, and a child that may die."""

import numpy as np
import pytest

pytest.importorskip('dlib', reason='needs dlib (pip install dlib-bin)')

from affect_perception.core.tracking.association import COLOURS
from affect_perception.detectors import make_detector
from affect_perception.detectors.async_detector import AsyncDetector
from affect_perception.detectors.detector_process import DetectorProcess, FaceAnalyzerProcess, wants_process
from affect_perception.detectors.face_analyzer import make_face_analyzer
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.types import DetectionRequest, Frame

HOG = TrackerSettings(detector='dlib_hog', reid='off', align=False)


@pytest.fixture(scope='module')
def frame() -> Frame:
    data = pytest.importorskip('skimage.data', reason='needs a photograph (pip install scikit-image)')
    return Frame(7, 'camera', np.ascontiguousarray(data.astronaut()))


@pytest.fixture(scope='module')
def finder():
    finder = FaceAnalyzerProcess(HOG)
    yield finder
    finder.close()


def test_a_process_finds_what_a_thread_finds(finder, frame):
    found, expected = (one.analyze(DetectionRequest(frame)) for one in (finder, make_face_analyzer(HOG)))
    assert found.stamp_ns == expected.stamp_ns == 7
    assert found.detections and found.detections == expected.detections
    np.testing.assert_array_equal(found.colour_histograms, expected.colour_histograms)
    assert found.colour_histograms.shape == (len(found.detections), COLOURS)


def test_a_child_that_died_between_two_images_is_started_again(finder, frame):
    finder._child.kill()
    finder._child.wait()
    assert finder.analyze(DetectionRequest(frame)).detections


def test_settings_that_cannot_be_are_refused_at_the_start():
    with pytest.raises(ConfigError, match='no file /nowhere'):
        FaceAnalyzerProcess(TrackerSettings(detector='dlib_cnn', detector_weights='/nowhere'))


def test_closing_ends_the_child_and_it_stays_ended(frame):
    beside = AsyncDetector(finder := FaceAnalyzerProcess(HOG))
    child = finder._child
    beside.submit(DetectionRequest(frame))
    beside.close()
    assert child.returncode is not None
    with pytest.raises(RuntimeError, match='closed'):
        finder.analyze(DetectionRequest(frame))


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
        assert detector.detect(frame.rgb) == here.detect(frame.rgb) != []
        detector._process._child.kill()
        assert detector.detect(frame.rgb) == here.detect(frame.rgb)
    finally:
        detector.close()
