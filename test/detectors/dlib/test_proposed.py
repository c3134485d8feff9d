"""dlib's CNN on proposed windows: the scores and boxes of a run over the whole picture, whatever is proposed."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

from builders.proposals import FixedFinder, everywhere, nowhere

from affect_perception.detectors import make_detector
from affect_perception.detectors.dlib import proposed as dlib_proposed
from affect_perception.detectors.dlib.cnn import DlibCnn, canvas_of
from affect_perception.detectors.dlib.proposed import ProposedDlibCnn
from affect_perception.detectors.dlib.search import SETTLED
from affect_perception.detectors.dlib.tiles import CanvasTiles
from affect_perception.detectors.dlib.windows import PIXELS, SIDE, window_scores
from affect_perception.detectors.proposals.canvas import LEVELS, OUT
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings


def at(y, x, size):
    """Estimates that propose a face of `size` px at (y, x) of the image, as many px as the canvas's first scale × 4."""

    def estimates(canvas):
        values = nowhere(canvas)
        for scale in canvas.scales:
            unit = canvas.scales[0].height / scale.height * (4 if canvas.scales[0].first_level == 0 else 2)
            for channel in range(LEVELS):
                if abs(np.log(size / (unit * 20 * 1.2**channel)) / np.log(1.2)) < 1.6:
                    row, column = round((scale.top + y / unit) / OUT), round((scale.left + x / unit) / OUT)
                    values[channel, row, column] = 1
        return values

    return estimates


@pytest.fixture(scope='module')
def whole():
    try:
        return DlibCnn(precision='fp32', lowest_score=-0.5)
    except ConfigError as error:
        pytest.skip(str(error))


def proposed(estimates, smallest_px=80, settled=SETTLED):
    return ProposedDlibCnn('', 'fp32', -0.5, 0, smallest_px, FixedFinder(estimates), settled)


@pytest.fixture(scope='module')
def astronaut():
    return np.ascontiguousarray(pytest.importorskip('skimage.data').astronaut()[:320, 60:380])


@pytest.mark.parametrize('size', [(150, 220), (10, 12), (331, 97), (41, 700)])
def test_a_tile_has_the_pixels_of_the_whole_canvas(whole, size):
    import torch

    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    canvas = canvas_of(*size, 10, 11)
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
    drawn = whole._network._tiled(image, canvas).numpy()
    drawn = drawn[0].transpose(1, 2, 0)
    tiles = CanvasTiles(rgb, canvas, whole._network.mean, whole._network.scratch)
    for top, left, height, width in ((170, 100, 90, 90), (60, 33, 101, 64), (0, 0, canvas.height, canvas.width)):
        inside = drawn[top : top + height, left : left + width]
        tile = np.full((height, width, 3), 7, np.float32)
        tiles(top, left, tile)
        assert np.abs(tile[: inside.shape[0], : inside.shape[1]] - inside).max(initial=0) < 1e-6
    outside = np.full((40, 30, 3), 7, np.float32)
    tiles(-40, -30, outside)
    assert not outside.any()


def test_windows_have_the_scores_of_the_whole_also_at_its_corners(whole):
    import torch

    rgb = np.random.default_rng(1).integers(0, 256, (200, 260, 3), np.uint8)
    scores, canvas = whole.scores(rgb)
    tiles = CanvasTiles(rgb, canvas, whole._network.mean, whole._network.scratch)
    height, width = scores.shape
    corners = [(-2, -1), (10, 8), (20, 3), (5, width - 3), (height - 4, width - 4), (30, 9)]
    with torch.inference_mode():
        found = window_scores(corners, tiles, scores.shape, whole._network.exact)
    assert found.shape == (6, SIDE, SIDE)
    assert PIXELS > 200
    for (row, column), window in zip(corners, found, strict=True):
        for i, j in np.ndindex(SIDE, SIDE):
            if 0 <= row + i < height and 0 <= column + j < width:
                assert window[i, j] == pytest.approx(scores[row + i, column + j], abs=1e-4)


def test_the_face_has_dlibs_box_and_score(whole, astronaut):
    (expected,) = whole.detect_raw(astronaut)
    found = proposed(at(117, 155, 96), settled=np.inf).detect_raw(astronaut)
    assert [face[:4] for face in found] == [expected[:4]]
    assert found[0][4] == pytest.approx(expected[4], abs=1e-4)


def test_a_clear_face_has_a_box_of_dlib_with_nearly_the_best_score(whole, astronaut):
    (expected,) = whole.detect_raw(astronaut)
    detector = proposed(at(117, 155, 96))
    (found,) = detector.detect_raw(astronaut)
    assert detector.windows == 1
    assert found[4] == pytest.approx(expected[4], abs=0.1)
    assert (found[2] - found[0]) / (expected[2] - expected[0]) == pytest.approx(1, abs=0.25)


def test_a_face_at_the_edge_of_the_picture_has_dlibs_score(whole, astronaut):
    cut = np.ascontiguousarray(astronaut[60:200, 105:260])
    (expected,) = whole.detect_raw(cut)
    found = proposed(at(57, 50, 115)).detect_raw(cut)
    assert [face[:4] for face in found] == [expected[:4]]
    assert found[0][4] == pytest.approx(expected[4], abs=1e-4)


@pytest.mark.parametrize('side', [82, 96, 112])
def test_a_face_that_is_tracked_is_looked_at_although_nothing_is_proposed(whole, astronaut, side):
    (expected,) = whole.detect(astronaut)
    known = np.array([[155, 117, side, side], [-40, 20, 90, 90], [20, 20, 5000, 5000]], float)
    (face,) = proposed(nowhere).detect_known(astronaut, known)
    assert face.box.centre == pytest.approx(expected.box.centre, abs=12)
    assert face.confidence == pytest.approx(expected.confidence, abs=0.05)
    assert proposed(nowhere).detect_known(astronaut, known[1:]) == []


def test_where_nothing_is_proposed_nothing_is_found(whole, astronaut):
    assert proposed(nowhere).detect_raw(astronaut) == []
    assert proposed(nowhere, 36).detect_raw(astronaut) == []


def test_so_many_proposals_that_the_whole_picture_is_cheaper_take_the_whole_picture(whole, astronaut):
    detector = proposed(everywhere)
    assert detector.detect_raw(astronaut) == whole.detect_raw(astronaut)
    assert detector.whole_runs == 1


def test_a_few_windows_more_than_planned_do_not_take_the_whole_picture_as_well(whole, astronaut, monkeypatch):
    cells = np.prod(whole.scores(astronaut)[0].shape)
    monkeypatch.setattr(dlib_proposed, '_WINDOW_CELLS', cells / 4)
    detector = proposed(at(117, 155, 96), settled=np.inf)  # one window in the first round, then its neighbouring levels
    detector.detect_raw(astronaut)
    assert detector.windows >= 3
    assert detector.whole_runs == 0


def test_a_face_that_is_never_proposed_is_found_once_in_as_many_pictures_as_the_sweep_says(whole, astronaut):
    detector = ProposedDlibCnn(precision='fp32', lowest_score=-0.5, finder=FixedFinder(nowhere), sweep=3)
    none = np.zeros((0, 4))
    found = [detector.detect_known(astronaut, none) for _ in range(6)]
    assert [bool(faces) for faces in found] == [False, False, True, False, False, True]
    assert found[2] == whole.detect(astronaut)
    assert detector.detect(astronaut) == []  # of a single picture only what is proposed


def test_without_a_sweep_only_what_is_proposed_is_found(astronaut, whole):
    detector = proposed(nowhere)
    assert [detector.detect_known(astronaut, np.zeros((0, 4))) for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize(('down', 'right'), [(15, 0), (0, -15), (15, 15)])
def test_a_face_beside_the_place_that_is_proposed_is_found(whole, astronaut, down, right):
    (expected,) = whole.detect_raw(astronaut)
    best = max(proposed(at(117 + down, 155 + right, 96)).detect_raw(astronaut), key=lambda face: face[4])
    assert best[4] == pytest.approx(expected[4], abs=0.1)


def test_enlarged_windows_are_limited_and_those_left_out_counted(whole, astronaut):
    detector = proposed(everywhere, 36)
    detector.detect_raw(np.ascontiguousarray(np.tile(astronaut, (2, 2, 1))))
    assert detector.postponed > 0


@pytest.mark.parametrize('size', [40, 56])
def test_a_small_face_is_found_enlarged(whole, astronaut, size):
    scale = size / 96
    small = cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    assert not [face for face in whole.detect_raw(small) if face[4] > 0]
    found = proposed(at(117 * scale, 155 * scale, size), 36).detect_raw(small)
    left, top, right, bottom, score = found[0]
    assert score > 0
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((155 * scale, 117 * scale), abs=0.12 * size)
    assert right - left == pytest.approx(size, rel=0.25)


@pytest.mark.parametrize('size', [(1, 1), (9, 9), (1, 500), (10, 10), (12, 300), (300, 12), (79, 79)])
def test_an_image_smaller_than_a_face_has_none(whole, size):
    for estimates in (everywhere, nowhere):
        assert proposed(estimates, 36).detect(np.full((*size, 3), 128, np.uint8)) == []


@pytest.mark.parametrize('kind', ['black', 'white', 'noise'])
def test_with_the_shipped_network_nothing_is_found_where_nothing_is_and_the_astronaut_is(whole, astronaut, kind):
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    empty = {'black': noise * 0, 'white': noise * 0 + 255, 'noise': noise}[kind]
    detector = make_detector(TrackerSettings(detector='dlib_cnn', detect_exhaustive=False, detect_device='cpu'))
    assert [face for face in detector.detect(empty) if face.confidence >= 0.5] == []
    (face,) = [face for face in detector.detect(astronaut) if face.confidence >= 0.5]
    (expected,) = [face for face in whole.detect(astronaut) if face.confidence >= 0.5]
    assert face.box.centre == pytest.approx(expected.box.centre, abs=12)


ONE_THREAD = """
import time
import numpy as np
import torch
from builders.proposals import FixedFinder, everywhere
from affect_perception.detectors.dlib.proposed import ProposedDlibCnn
torch.set_num_threads(1)
rgb = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)
detector = ProposedDlibCnn('', 'fp32', -0.5, 0, 80, FixedFinder(lambda canvas: everywhere(canvas) - 0.9))
known = np.array([[x, y, 200, 200] for x in (150, 400, 650) for y in (150, 400)], float)
detector.detect_known(rgb, known)
process, thread = time.process_time(), time.thread_time()
for _ in range(8):
    detector.detect_known(rgb, known)
print(time.process_time() - process, time.thread_time() - thread)
"""


def test_a_detection_keeps_one_thread_busy_and_no_other_that_waits_for_it(whole):
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, sys.path)), 'OPENBLAS_NUM_THREADS': '2'}
    run = subprocess.run(
        [sys.executable, '-c', ONE_THREAD], env=environment, capture_output=True, text=True, timeout=300, check=True
    )
    process_s, thread_s = map(float, run.stdout.split())
    assert process_s < 1.2 * thread_s + 0.05
