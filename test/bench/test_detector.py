"""Comparison of detectors: missed, extra and matched faces, cached results, the command."""

import json

import numpy as np
import pytest

from affect_perception.bench import recall
from affect_perception.bench.detector import NativeResults, main
from affect_perception.bench.parity import Parity
from affect_perception.errors import ConfigError

FACE = (100, 100, 179, 179, 1.0)
SHIFTED = (108, 100, 187, 179, 0.99)
APART = (300, 100, 379, 179, 0.9)
DOUBTFUL = (500, 100, 579, 179, 0.03)


def test_a_shifted_box_is_matched_and_its_shift_is_measured():
    parity = Parity()
    parity.add('picture', [FACE], [SHIFTED])
    numbers = parity.numbers()
    assert (numbers['matched'], numbers['missed'], numbers['extra']) == (1, 0, 0)
    assert numbers['iou_mean'] == numbers['iou_min'] == pytest.approx(72 / 88, abs=1e-6)
    assert numbers['confidence_diff_max'] == pytest.approx(0.01)
    assert len(numbers['differences']) == 1  # below 0.85


def test_face_of_one_detector_only_is_missed_or_extra():
    parity = Parity()
    parity.add('picture', [FACE, APART], [FACE])
    parity.add('other', [FACE], [FACE, APART])
    assert (parity.matched, parity.missed, parity.extra) == (2, 1, 1)


def test_near_the_threshold_nothing_is_missed_but_listed():
    parity = Parity()
    parity.add('picture', [FACE, DOUBTFUL], [FACE])
    parity.add('other', [FACE], [FACE, DOUBTFUL])
    assert (parity.matched, parity.missed, parity.extra) == (2, 0, 0)
    assert len(parity.inside_band) == 2


def test_results_of_dlib_are_cached_by_the_pixels(tmp_path):
    class Native:
        runs = 0

        def detect_raw(self, rgb):
            self.runs += 1
            return [FACE]

    native, file = Native(), str(tmp_path / 'native.json')
    image = np.zeros((90, 90, 3), np.uint8)
    assert NativeResults(native, file)('a', image) == [FACE]
    assert NativeResults(native, file)('b', image.copy()) == [FACE]
    assert native.runs == 1
    NativeResults(native, file)('a', image + 1)
    assert native.runs == 2


def test_path_without_images_ends_with_status_2_and_one_line(capsys):
    pytest.importorskip('torch')
    assert main(['/nowhere']) == 2
    assert capsys.readouterr().err.count('\n') == 1


@pytest.mark.parametrize('wrong', [['--size', '640'], ['--every', '0'], ['--repeats', 'x']])
def test_wrong_numbers_end_with_status_2(wrong):
    with pytest.raises(SystemExit) as caught:
        main(wrong)
    assert caught.value.code == 2


@pytest.fixture
def face(tmp_path):
    """Folder with the picture of one face; skips where dlib's CNN cannot run."""
    cv2, dlib_cnn = pytest.importorskip('cv2'), pytest.importorskip('affect_perception.detectors.dlib.cnn')
    photo = pytest.importorskip('skimage.data').astronaut()[40:240, 120:320]
    pytest.importorskip('dlib')
    try:
        dlib_cnn.DlibCnn()
    except ConfigError as error:
        pytest.skip(str(error))
    cv2.imwrite(str(tmp_path / 'face.png'), photo[:, :, ::-1])
    return tmp_path


@pytest.mark.slow
def test_the_last_line_is_the_result(face, capsys):
    assert main([str(face), '--size', '160x120', '--repeats', '1']) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result['size'] == [160, 120]
    assert result['images'] == 1
    assert set(result['ms']) >= {'dlib_cnn_native', 'dlib_cnn_fp32', 'dlib_cnn_bf16', 'dlib_hog'}
    assert (result['parity']['matched'], result['parity']['missed'], result['parity']['extra']) == (1, 0, 0)


def test_recall_is_told_by_kind_and_kept(face, capsys, monkeypatch):
    cv2 = pytest.importorskip('cv2')
    monkeypatch.setattr(recall, 'WIDTH', 640)
    monkeypatch.setattr(recall, 'HEIGHT', 360)
    monkeypatch.setattr(recall, 'PITCHES', (0.0,))
    threads = cv2.getNumThreads()
    out = face / 'recall.json'
    arguments = [str(face / 'face.png'), '--recall', '--kinds', 'pitch', '--repeats', '1', '--out', str(out)]
    try:
        assert main(arguments) == 0
    finally:
        cv2.setNumThreads(threads)
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result == json.loads(out.read_text())
    exhaustive = result['recall']['exhaustive']
    assert exhaustive['pitch'] == {'0°': 1.0}
    assert exhaustive['of_exhaustive'] == {'faces': 3, 'recall': 1.0, 'extra': 0}
    assert set(result['cpu_ms']['exhaustive']) == {'8 people', '0 people'}
