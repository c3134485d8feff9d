"""dlib's CNN on the proposals of a sequence: doubtful places in turns, nothing twice around the middle of a face."""

import numpy as np
import pytest

pytest.importorskip('torch')

from builders.proposals import FixedFinder, at_places

from affect_perception.detectors.dlib.proposed import ProposedDlibCnn
from affect_perception.errors import ConfigError

NOBODY = np.zeros((0, 4))
FACE = 1, 117, 155  # level, y, x of the astronaut's face, 96 px
EMPTY = [(0, y, x) for y in (40, 270) for x in (40, 160, 280)]  # places without a face
LIKELY, DOUBTFUL = -0.7, -0.9  # the finder's threshold lies between, at -0.8


@pytest.fixture(scope='module')
def astronaut():
    return np.ascontiguousarray(pytest.importorskip('skimage.data').astronaut()[:320, 60:380])


def detector_of(*places):
    try:
        return ProposedDlibCnn('', 'fp32', -0.5, finder=FixedFinder(at_places(*places)))
    except ConfigError as error:
        pytest.skip(str(error))


def test_doubtful_places_are_looked_at_two_with_each_picture_until_the_face_among_them_is_found(astronaut):
    detector = detector_of(*((*place, DOUBTFUL) for place in EMPTY), (*FACE, DOUBTFUL - 0.05))
    faces, windows = [], []
    for _ in range(5):
        faces.append(len(detector.detect_known(astronaut, NOBODY)))
        windows.append(detector.windows)
    assert windows == [2, 4, 6, 7, 8]  # the face again each time, the places without one not
    assert faces == [0, 0, 0, 1, 1]


def test_doubtful_places_have_their_turns_beside_the_likely_ones(astronaut):
    detector = detector_of((*FACE, 1.0), *((*place, DOUBTFUL) for place in EMPTY))
    assert len(detector.detect_known(astronaut, NOBODY)) == 1
    assert detector.windows == 1 + 2


def test_likely_places_without_a_face_are_all_looked_at_and_with_the_next_picture_none_of_them(astronaut):
    detector = detector_of(*((*place, LIKELY) for place in EMPTY[:3]))
    for _ in range(2):
        assert detector.detect_known(astronaut, NOBODY) == []
        assert detector.windows == 3


def test_doubtful_places_of_a_single_picture_are_not_looked_at(astronaut):
    detector = detector_of(*((*place, DOUBTFUL) for place in EMPTY), (*FACE, DOUBTFUL))
    assert detector.detect(astronaut) == []
    assert detector.windows == 0


def test_places_that_are_less_than_doubtful_are_never_looked_at(astronaut):
    detector = detector_of((*FACE, -1.1))
    for _ in range(3):
        assert detector.detect_known(astronaut, NOBODY) == []
    assert detector.windows == 0


@pytest.mark.parametrize(('aside', 'windows'), [(50, 1), (120, 2)])
def test_a_larger_face_is_not_looked_for_around_the_middle_of_one_that_is_found(astronaut, aside, windows):
    level, y, x = FACE
    detector = detector_of((*FACE, 1.0), (level + 3, y, x + aside, 0.9))
    assert len(detector.detect(astronaut)) == 1
    assert detector.windows == windows


def test_a_larger_face_is_looked_for_around_a_place_where_none_is_found(astronaut):
    level, y, x = EMPTY[4]
    detector = detector_of((level, y, x, 1.0), (level + 3, y, x + 45, 0.9))
    assert detector.detect(astronaut) == []
    assert detector.windows == 2
