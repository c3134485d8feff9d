from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from skimage import data

from affect_perception import detectors
from affect_perception.detectors import DETECTORS, make_detector
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings


@pytest.fixture(scope='module')
def hog():
    pytest.importorskip('dlib')
    return make_detector(TrackerSettings(detector='dlib_hog'))


def best_box(found):
    return max(found, key=lambda d: d.confidence).box


def test_hog_finds_the_astronaut_and_is_sure(hog):
    found = [d for d in hog.detect(data.astronaut()) if d.confidence >= 0.5]
    assert len(found) == 1
    assert 0.8 < found[0].confidence <= 1
    assert found[0].box.centre == pytest.approx((220, 121), abs=12)
    assert found[0].box.width == pytest.approx(90, abs=15)


def test_hog_gives_boxes_in_pixels_of_the_picture_also_when_it_works_on_a_smaller_one():
    pytest.importorskip('dlib')
    big = cv2.resize(data.astronaut(), (1536, 1536))
    box = best_box(make_detector(TrackerSettings(detector='dlib_hog', detect_width=640)).detect(big))
    assert box.centre == pytest.approx((660, 363), abs=36)


@pytest.mark.parametrize('size', [(1, 1), (1, 900), (40, 40), (79, 81), (81, 400)])
@pytest.mark.parametrize('grey', [0, 127, 255])
def test_small_and_flat_pictures_have_no_faces(hog, size, grey):
    assert hog.detect(np.full((*size, 3), grey, np.uint8)) == []


def test_noise_has_no_faces(hog):
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    assert [d for d in hog.detect(noise) if d.confidence >= 0.5] == []


def test_confidence_grows_with_the_score_and_is_one_half_at_dlibs_threshold():
    pytest.importorskip('dlib')
    from affect_perception.detectors.dlib.hog import confidence

    assert confidence(0) == 0.5
    values = [confidence(s) for s in (-0.3, 0, 0.5, 1, 2.5, 10)]
    assert values == sorted(values)
    assert all(0 <= v <= 1 for v in values)


def test_every_detector_of_the_registry_can_be_chosen_in_the_settings():
    choices = next(d.choices for d in TrackerSettings.declared() if d.name == 'detector')
    assert set(DETECTORS) | {'auto'} == set(choices)


def test_auto_takes_a_detector_that_is_installed():
    pytest.importorskip('dlib')
    assert make_detector(TrackerSettings()).name in DETECTORS


def test_an_unknown_detector_is_refused_with_the_choices():
    with pytest.raises(ConfigError, match=r'haar.*dlib_hog'):
        make_detector(SimpleNamespace(detector='haar'))


def test_missing_dlib_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(detectors, 'find_spec', lambda name: None)
    with pytest.raises(ConfigError, match='pip install dlib-bin'):
        make_detector(TrackerSettings(detector='dlib_hog'))


def test_with_damaged_proposals_dlibs_cnn_is_refused_by_name_and_looks_at_whole_pictures_with_auto(
    tmp_path, monkeypatch, caplog
):
    pytest.importorskip('dlib')
    pytest.importorskip('torch')
    from affect_perception.detectors.proposals import weights

    cnn = TrackerSettings(detector='dlib_cnn', detect_device='cpu', detect_exhaustive=False)
    try:
        make_detector(cnn)
    except ConfigError as error:
        pytest.skip(str(error))
    damaged = tmp_path / 'face_proposals.safetensors'
    damaged.write_bytes(weights.SHIPPED.read_bytes()[:5000])
    monkeypatch.setattr(weights, 'SHIPPED', damaged)
    with pytest.raises(ConfigError, match='is damaged or another version') as refused:
        make_detector(cnn)
    assert str(refused.value).count('\n') == 0
    assert type(make_detector(cnn.changed(detector='auto'))).__name__ == 'DlibCnn'
    assert 'whole pictures instead of the best one' in caplog.text
    assert 'damaged' in caplog.text
    assert 'detect_exhaustive:=true' in caplog.text
    assert make_detector(cnn.changed(detect_exhaustive=True)).name.startswith('dlib_cnn')
