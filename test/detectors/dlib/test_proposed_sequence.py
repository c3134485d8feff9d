"""dlib's CNN on the proposals of a sequence: doubtful places in turns, nothing twice around the middle of a face."""

import cv2
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


@pytest.fixture(scope='module')
def noise():
    return np.random.default_rng(0).integers(0, 256, (320, 720, 3), np.uint8)


def detector_of(*places, smallest_px=80):
    try:
        return ProposedDlibCnn('', 'fp32', -0.5, 0, smallest_px, FixedFinder(at_places(*places)))
    except ConfigError as error:
        pytest.skip(str(error))


def test_doubtful_places_are_looked_at_one_with_each_picture_until_the_face_among_them_is_found(astronaut):
    detector = detector_of(*((*place, DOUBTFUL) for place in EMPTY), (*FACE, DOUBTFUL - 0.05))
    faces, windows = [], []
    for _ in range(7):
        faces.append(len(detector.detect_known(astronaut, NOBODY)))
        windows.append(detector.windows)
    assert windows == [1, 2, 3, 4, 5, 6, 7]
    assert faces == [0, 0, 0, 0, 0, 0, 1]


def test_doubtful_places_have_their_turns_beside_the_likely_ones(astronaut):
    detector = detector_of((*FACE, 1.0), *((*place, DOUBTFUL) for place in EMPTY))
    assert len(detector.detect_known(astronaut, NOBODY)) == 1
    assert detector.windows == 1 + 1


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


def test_of_too_many_small_faces_at_once_the_best_are_looked_at_and_the_others_with_the_next_pictures(noise):
    places = [(-2, y, x) for y in range(40, 300, 60) for x in range(40, 700, 60)]  # 55 of 56 px each
    detector = detector_of(*((*place, 1 - 0.01 * i) for i, place in enumerate(places)), smallest_px=36)
    looked, postponed = [], []
    for _ in range(4):
        for _ in range(3):  # small faces are looked for in every third picture
            assert detector.detect_known(noise, NOBODY) == []
        looked.append(detector.windows)
        postponed.append(detector.postponed)
    assert looked[:2] == [24, 48]
    assert postponed[0] == 55 - 24
    assert 55 - 48 <= postponed[1] - postponed[0] <= 55 - 48 + 2  # with one or two that are due again
    assert 55 <= looked[2] < 72
    assert postponed[1] == postponed[2] == postponed[3]


def test_new_small_faces_are_found_in_every_third_picture_and_tracked_ones_in_each(astronaut):
    small = cv2.resize(astronaut, (160, 160), interpolation=cv2.INTER_AREA)  # a face of 48 px
    detector = detector_of((-3, 117 / 2, 155 / 2, 1.0), smallest_px=36)
    (face,) = detector.detect_known(small, NOBODY)
    assert face.box.width == pytest.approx(48, abs=8)
    assert [len(detector.detect_known(small, NOBODY)) for _ in range(5)] == [0, 0, 1, 0, 0]
    known = np.array([[*face.box.centre, face.box.width, face.box.height]])
    assert [len(detector.detect_known(small, known)) for _ in range(4)] == [1, 1, 1, 1]


@pytest.mark.parametrize('size', [(1, 1), (9, 500), (10, 10), (12, 300), (300, 12), (79, 79)])
def test_pictures_smaller_than_a_window_between_others_have_no_faces_and_end_no_sequence(astronaut, size):
    detector = detector_of((*FACE, 1.0))
    known = np.array([[155, 117, 96, 96], [5, 5, 90, 90]], float)
    small = np.full((*size, 3), 128, np.uint8)
    counts = [len(detector.detect_known(rgb, known)) for rgb in (astronaut, small, astronaut)]
    assert counts == [1, 0, 1]


@pytest.mark.parametrize('kind', ['black', 'white', 'noise'])
def test_a_sequence_of_pictures_without_people_has_no_faces_also_in_its_sweep(noise, kind):
    rgb = {'black': noise * 0, 'white': noise * 0 + 255, 'noise': noise}[kind][:160, :240]
    try:
        detector = ProposedDlibCnn(precision='fp32', smallest_px=36, sweep=4)
    except ConfigError as error:
        pytest.skip(str(error))
    assert [detector.detect_known(rgb, NOBODY) for _ in range(4)] == [[]] * 4
