"""dlib's face descriptor run by PyTorch, where dlib and its weights are installed."""

import numpy as np
import pytest

from affect_perception.detectors.dlib.weights import DETECTOR_FILE, EMBEDDING_FILE, LANDMARKS_FILE, weights_path
from affect_perception.errors import ConfigError
from affect_perception.types import Box

FACE = Box(168, 69, 96, 96)  # of the astronaut


@pytest.fixture(scope='module')
def dlib():
    pytest.importorskip('torch')
    return pytest.importorskip('dlib')


@pytest.fixture(scope='module')
def describe(dlib):
    from affect_perception.detectors.dlib.embedding import FaceEmbedder

    try:
        return FaceEmbedder()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def astronaut():
    return pytest.importorskip('skimage.data').astronaut()


def test_the_descriptor_is_dlibs(dlib, describe, astronaut):
    points = dlib.shape_predictor(str(weights_path('', LANDMARKS_FILE)))(astronaut, dlib.rectangle(168, 69, 263, 164))
    network = dlib.face_recognition_model_v1(str(weights_path('', EMBEDDING_FILE)))
    theirs = np.array(network.compute_face_descriptor(astronaut, points))
    assert np.abs(describe(astronaut, [FACE])[0] - theirs).max() < 1e-4  # issue: 1e-3


def test_the_landmarks_are_two_eyes_above_a_nose(describe, astronaut):
    points = describe.landmarks(astronaut, FACE)
    assert points.shape == (5, 2)
    assert points[2, 0] < points[3, 0] < points[4, 0] < points[1, 0] < points[0, 0]
    assert points[4, 1] > points[:4, 1].max()


def test_faces_described_together_are_described_as_alone(describe, astronaut):
    there = Box(FACE.x + 5, FACE.y - 4, FACE.width, FACE.height)
    together = describe(astronaut, [FACE, there])
    assert np.allclose(together[1], describe(astronaut, [there])[0], atol=1e-5)


def test_no_face_gives_no_descriptor(describe, astronaut):
    assert describe(astronaut, []).shape == (0, 128)


def test_a_face_half_outside_the_image_is_described(describe, astronaut):
    assert np.isfinite(describe(astronaut[:110, :200], [FACE])).all()


def test_swapped_files_are_refused(describe):
    from affect_perception.detectors.dlib.embedding import FaceEmbedder

    with pytest.raises(ConfigError, match='another network than dlib_face_recognition'):
        FaceEmbedder(str(weights_path('', DETECTOR_FILE)))
    with pytest.raises(ConfigError, match='is not shape_predictor_5'):
        FaceEmbedder(landmarks_path=str(weights_path('', DETECTOR_FILE)))
