"""YuNet with the user's file: framing and roll as dlib's, refusal of other files."""

import math

import cv2
import numpy as np
import pytest
from builders.yunet import yunet_file

from affect_perception.detectors import make_detector
from affect_perception.detectors.detector_process import DetectorProcess
from affect_perception.detectors.face_analyzer import make_face_analyzer
from affect_perception.detectors.yunet import YuNet, confidence, detection, roll
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.types import DetectionRequest, Frame

UPRIGHT = np.array([[-1, -1], [1, -1], [0, 0], [-0.8, 1], [0.8, 1]]) * 10 + 100
DLIB_BOX = (168, 69, 264, 165)  # dlib's CNN's of the astronaut


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return yunet_file(tmp_path_factory.mktemp('yunet'))


@pytest.fixture(scope='module')
def astronaut():
    return np.ascontiguousarray(pytest.importorskip('skimage.data').astronaut())


@pytest.mark.parametrize('degrees', [-170, -90, -20, 0, 35, 90, 180])
def test_the_roll_is_the_rotation_of_the_points(degrees):
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    assert math.degrees(roll(UPRIGHT @ turn.T)) == pytest.approx(degrees, abs=1e-6)


def test_the_roll_of_a_profile_comes_from_the_mouth_below_the_eyes():
    profile = np.array([[50, 40], [50, 40], [60, 50], [50, 60], [50, 60]], float)
    assert roll(profile) == pytest.approx(0, abs=1e-9)


def test_confidence_is_a_half_where_it_begins_to_be_a_face():
    assert confidence(0.7) == 0.5
    assert confidence(0.3) < confidence(0.5) < 0.5 < confidence(0.9) < confidence(1.0) == 1


def test_a_box_is_square_and_scales_with_the_image():
    row = np.array([10, 20, 80, 110, *UPRIGHT.flatten(), 0.9], np.float32)
    one, two = detection(row), detection(row, 2.0)
    assert one.box.width == one.box.height == pytest.approx(two.box.width / 2)
    assert np.allclose(np.multiply(one.box.centre, 2), two.box.centre)


def test_the_face_of_the_astronaut_is_framed_as_by_dlib(weights, astronaut):
    (face,) = YuNet(weights).detect(astronaut)
    centre = (DLIB_BOX[0] + DLIB_BOX[2]) / 2, (DLIB_BOX[1] + DLIB_BOX[3]) / 2
    assert np.allclose(face.box.centre, centre, atol=10)
    assert face.box.width == pytest.approx(96, rel=0.2)
    assert face.confidence > 0.7
    assert abs(face.roll) < math.radians(10)


def test_a_tilted_face_has_its_tilt_and_a_wide_image_its_own_pixels(weights, astronaut):
    turn = cv2.getRotationMatrix2D((215, 117), -15, 1)  # clockwise
    tilted = cv2.warpAffine(astronaut, turn, (512, 512))
    (face,) = YuNet(weights, width=400).detect(tilted)
    (upright,) = YuNet(weights).detect(astronaut)
    assert 4 < math.degrees(face.roll - upright.roll) < 20
    assert np.allclose(face.box.centre, (215, 117), atol=16)


@pytest.mark.parametrize('size', [(1, 1), (31, 200), (33, 47), (100, 1)])
def test_nothing_is_found_where_nothing_fits(weights, size):
    assert YuNet(weights).detect(np.full((*size, 3), 128, np.uint8)) == []


def test_crops_are_levelled_by_the_five_points_where_there_are_no_landmarks(weights, astronaut, monkeypatch):
    monkeypatch.setattr('affect_perception.detectors.face_analyzer._landmarks', lambda _: None)
    settings = TrackerSettings(detector='yunet', detector_weights=weights, reid='off')
    analyzer = make_face_analyzer(settings)
    assert analyzer.name == 'yunet + aligned crops'
    result = analyzer.analyze(DetectionRequest(Frame(0, '', astronaut)))
    assert result.rolls == pytest.approx([result.detections[0].roll])
    unaligned = make_face_analyzer(settings.changed(align=False))
    assert unaligned.analyze(DetectionRequest(Frame(0, '', astronaut))).rolls is None


def test_the_child_process_hands_the_roll_over(weights, astronaut):
    detector = DetectorProcess(TrackerSettings(detector='yunet', detector_weights=weights))
    try:
        (face,) = detector.detect(astronaut)
    finally:
        detector.close()
    assert face.roll == YuNet(weights).detect(astronaut)[0].roll


def test_a_missing_path_and_a_missing_file_are_refused_with_the_file_that_is_wanted(tmp_path):
    with pytest.raises(ConfigError, match=r'set detector_weights; give a face_detection_yunet_\*'):
        make_detector(TrackerSettings(detector='yunet'))
    with pytest.raises(ConfigError, match='cannot read'):
        YuNet(str(tmp_path / 'absent.onnx'))


def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path):
    foreign = tmp_path / 'foreign.onnx'
    foreign.write_bytes(b'no network')
    with pytest.raises(ConfigError, match='is no YuNet that OpenCV') as caught:
        YuNet(str(foreign))
    assert '\n' not in str(caught.value)


def as_of_2022(graph):
    del graph.output[3:]  # loc, conf and iou


def of_other_names(graph):
    new = {one.name: f'stride_{one.name}' for one in graph.output}
    for node in graph.node:
        node.output[:] = [new.get(name, name) for name in node.output]
    for one in graph.output:
        one.name = new[one.name]


def without_points(graph):
    for one in [one for one in graph.output if one.name.startswith('kps')]:
        graph.output.remove(one)


@pytest.mark.parametrize('change', [as_of_2022, of_other_names, without_points])
def test_a_file_of_another_version_is_refused_in_one_line_that_names_the_wanted_one(weights, tmp_path, change):
    onnx = pytest.importorskip('onnx')
    model = onnx.load(weights)
    change(model.graph)
    onnx.save(model, tmp_path / 'other.onnx')
    with pytest.raises(
        ConfigError, match=r'no YuNet that OpenCV .* runs .*face_detection_yunet_\*.onnx of 2023'
    ) as caught:
        YuNet(str(tmp_path / 'other.onnx'))
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 500
