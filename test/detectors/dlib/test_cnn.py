"""dlib's CNN detector run by PyTorch: the geometry without weights, the answers where the weights are installed."""

import itertools

import numpy as np
import pytest

from affect_perception.detectors.dlib.pyramid import (
    at_most,
    canvas_for,
    canvas_to_image,
    confidence,
    detections,
    suppress,
    upsampled_to_image,
)
from affect_perception.errors import ConfigError

# dlib 20.0.1's own answers (left, top, right, bottom, score) for the astronaut as is and enlarged once.
ASTRONAUT = (168, 69, 263, 164, 1.0625124)


@pytest.fixture(scope='module')
def detector():
    pytest.importorskip('torch')
    from affect_perception.detectors.dlib.cnn import DlibCnn

    try:
        return DlibCnn(precision='fp32')
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def astronaut():
    return pytest.importorskip('skimage.data').astronaut()


def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    areas = [(one[2] - one[0] + 1) * (one[3] - one[1] + 1) for one in (a, b)]
    return width * height / (sum(areas) - width * height)


# --- geometry -----------------------------------------------------------------------------------------------------


def test_the_canvas_of_a_vga_image_is_that_of_dlib():
    canvas = canvas_for(480, 640, padding=10, outer_padding=11)
    assert (canvas.height, canvas.width) == (1782, 662)
    assert canvas.levels[:3] == ((11, 11, 480, 640), (501, 11, 400, 533), (911, 11, 333, 444))
    assert len(canvas.levels) == 24


@pytest.mark.parametrize('size', [(10, 10), (10, 400), (400, 30), (60, 60), (270, 480), (720, 1280), (1080, 1920)])
def test_levels_lie_on_the_canvas(size):
    canvas = canvas_for(*size, padding=10, outer_padding=11)
    for top, left, height, width in canvas.levels:
        assert 11 <= top <= canvas.height - 11 - height
        assert 11 <= left <= canvas.width - 11 - width


@pytest.mark.parametrize('size', [(60, 60), (270, 480), (720, 1280), (1080, 1920), (640, 480)])
def test_levels_do_not_overlap(size):
    levels = canvas_for(*size, padding=10, outer_padding=11).levels
    for (t1, l1, h1, w1), (t2, l2, h2, w2) in itertools.combinations(levels, 2):
        assert t1 + h1 <= t2 or t2 + h2 <= t1 or l1 + w1 <= l2 or l2 + w2 <= l1


def test_a_window_on_a_level_maps_back_to_where_it_was_in_the_image():
    canvas = canvas_for(480, 640, padding=10, outer_padding=11)
    for level, (top, left, height, width) in enumerate(canvas.levels):
        rect = canvas_to_image(canvas, left + width // 2, top + height // 2, 80, 80)
        centre = (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2
        pixel = 1.2**level  # one pixel of this level in the image
        assert centre == pytest.approx((320, 240), abs=3 * pixel)
        assert rect[2] - rect[0] == pytest.approx(79 * pixel, abs=1)


def test_a_window_on_the_image_itself_only_loses_the_border():
    canvas = canvas_for(480, 640, padding=10, outer_padding=11)
    assert canvas_to_image(canvas, 11 + 100, 11 + 50, 80, 80) == (61, 11, 140, 90)


def test_a_doubled_rectangle_comes_back():
    assert upsampled_to_image((10.0, 20.0, 30.0, 40.0), 0) == (10, 20, 30, 40)
    assert upsampled_to_image((202.5, 101.5, 402.5, 301.5), 1) == (100, 50, 200, 150)


def test_of_overlapping_faces_the_best_stays_and_neighbours_stay_too():
    weak, best, apart = (4, 0, 83, 79, 0.5), (0, 0, 79, 79, 0.9), (70, 0, 149, 79, 0.7)
    assert suppress([weak, best, apart], 0.338, 1.0) == [best, apart]


def test_boxes_have_exclusive_edges_and_the_scale_of_the_original():
    rgb, scale = at_most(np.zeros((720, 1280, 3), np.uint8), 640)
    assert rgb.shape == (360, 640, 3)
    (face,) = detections([(10, 20, 89, 99, 1.0)], scale)
    assert (face.box.x, face.box.y, face.box.width, face.box.height) == (20, 40, 160, 160)


def test_confidence_is_a_half_where_dlib_begins_to_call_it_a_face():
    assert confidence(0.0) == 0.5
    assert confidence(-0.3) < 0.5 < confidence(0.3) < confidence(1.0) < 1


# --- answers ------------------------------------------------------------------------------------------------------


def test_the_face_of_the_astronaut_is_where_dlib_says(detector, astronaut):
    (face,) = detector.detect_raw(astronaut)
    assert face[:4] == ASTRONAUT[:4]
    assert face[4] == pytest.approx(ASTRONAUT[4], abs=1e-4)


def test_a_frame_that_cannot_be_written_to_and_one_turned_over_are_taken(detector, astronaut):
    mirrored = astronaut[:, ::-1]
    mirrored.flags.writeable = False
    (face,) = detector.detect(mirrored)
    assert face.box.centre[0] == pytest.approx(511 - (ASTRONAUT[0] + ASTRONAUT[2]) / 2, abs=16)


@pytest.mark.parametrize('precision', ['bf16', 'auto'])
def test_short_numbers_give_the_same_face(detector, astronaut, precision):
    from affect_perception.detectors.dlib.cnn import DlibCnn

    (face,) = DlibCnn(precision=precision).detect_raw(astronaut)
    assert face[:4] == ASTRONAUT[:4]
    assert face[4] == pytest.approx(ASTRONAUT[4], abs=1e-4)


def test_a_crowd_is_found_in_short_numbers_as_in_long_ones(detector, astronaut):
    from affect_perception.detectors.dlib.cnn import DlibCnn

    faces = np.tile(astronaut[50:190, 140:290], (3, 4, 1))
    found = detector.detect_raw(faces)
    assert len(found) >= 8
    in_bf16 = DlibCnn(precision='bf16').detect_raw(faces)
    assert [face[:4] for face in in_bf16] == [face[:4] for face in found]


def test_weak_finds_are_reported_when_asked_for(detector, astronaut):
    from affect_perception.detectors.dlib.cnn import DlibCnn

    hidden = astronaut.copy()
    hidden[120:170, 160:270] = 128  # mouth and nose
    strong, weak = detector.detect(hidden), DlibCnn(precision='fp32', lowest_score=-1.5).detect(hidden)
    assert len(weak) > len(strong)
    assert min(face.confidence for face in weak) < 0.5


def test_upsampling_finds_a_face_too_small_otherwise(detector, astronaut):
    import cv2

    from affect_perception.detectors.dlib.cnn import DlibCnn

    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    assert detector.detect(small) == []
    (face,) = DlibCnn(precision='fp32', upsample=1).detect_raw(small)
    assert iou(face, [edge / 2 for edge in ASTRONAUT[:4]]) > 0.7


@pytest.mark.parametrize('size', [(1, 1), (9, 9), (1, 500), (10, 10), (12, 300), (300, 12), (79, 79)])
def test_an_image_smaller_than_a_face_has_none(detector, size):
    assert detector.detect(np.full((*size, 3), 128, np.uint8)) == []


@pytest.mark.parametrize('kind', ['black', 'white', 'noise'])
def test_nothing_is_found_where_nothing_is(detector, kind):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    assert detector.detect({'black': noise * 0, 'white': noise * 0 + 255, 'noise': noise}[kind]) == []


def test_the_descriptor_network_is_not_taken_for_the_detector(detector):
    from affect_perception.detectors.dlib.cnn import DlibCnn
    from affect_perception.detectors.dlib.weights import EMBEDDING_FILE, weights_path

    with pytest.raises(ConfigError, match='holds another network than mmod_human_face_detector'):
        DlibCnn(str(weights_path('', EMBEDDING_FILE)))


@pytest.mark.parametrize(
    'wrong', [{'device': 'tpu0'}, {'device': 'cuda:99'}, {'precision': 'fp16'}, {'precision': 'x'}]
)
def test_a_device_or_precision_that_is_not_there_is_refused(detector, wrong):
    from affect_perception.detectors.dlib.cnn import DlibCnn

    with pytest.raises(ConfigError):
        DlibCnn(**wrong)


def test_dlibs_own_run_answers_the_same(detector, astronaut):
    pytest.importorskip('dlib')
    from affect_perception.detectors.dlib.native import DlibCnnNative

    native = DlibCnnNative()
    face = astronaut[40:240, 120:320]
    assert native.detect(face[:5, :5]) == []
    (theirs,), (ours,) = native.detect_raw(face), detector.detect_raw(face)
    assert ours[:4] == theirs[:4]
    assert ours[4] == pytest.approx(theirs[4], abs=1e-4)


def test_dlibs_own_run_refuses_a_foreign_file(tmp_path):
    pytest.importorskip('dlib')
    from affect_perception.detectors.dlib.native import DlibCnnNative

    foreign = tmp_path / 'foreign.dat'
    foreign.write_text('no network')
    with pytest.raises(ConfigError, match='dlib cannot run'):
        DlibCnnNative(str(foreign))


def test_pictures_of_other_sizes_in_between_change_no_answer(detector, astronaut):
    before = detector.detect_raw(astronaut)
    for size in (400, 200, 12):
        detector.detect_raw(np.ascontiguousarray(255 - astronaut[:size, : size + 40]))
    assert detector.detect_raw(astronaut) == before


@pytest.mark.parametrize('sizes', [((60, 101), (50, 84)), ((6, 7), (5, 5)), ((1, 5), (1, 4)), ((90, 40), (75, 33))])
def test_levels_shrink_as_pytorch_does_it(sizes):
    torch = pytest.importorskip('torch')
    from affect_perception.detectors.dlib.network import _shrink

    (height, width), into = sizes
    level = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3))
    canvas = torch.zeros(into[0] + 4, into[1] + 6, 3)
    _shrink(level[0].permute(1, 2, 0).contiguous(), canvas[1 : into[0] + 1, 2 : into[1] + 2])
    expected = torch.nn.functional.interpolate(level, into, mode='bilinear', align_corners=True)
    assert (canvas[1 : into[0] + 1, 2 : into[1] + 2].permute(2, 0, 1) - expected[0]).abs().max() < 1e-6
    assert canvas.count_nonzero() <= 3 * into[0] * into[1]
