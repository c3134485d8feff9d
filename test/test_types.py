"""Records that flow between the parts: arrays are checked and read-only, where they are made."""

import numpy as np
import pytest

from affect_perception.errors import BadInputError
from affect_perception.types import Box, Detection, DetectionRequest, DetectionResult, Frame, Track

FRAME = Frame(0, 'camera', np.zeros((4, 6, 3), np.uint8))
FACE = Detection(Box(0, 0, 2, 2), 0.9)


def test_detection_request_without_known_faces_has_empty_arrays():
    request = DetectionRequest(FRAME)
    assert (request.known_boxes.shape, request.embed.shape) == ((0, 4), (0,))


@pytest.mark.parametrize(
    ('known_boxes', 'embed', 'named'),
    [
        (np.zeros((2, 3)), np.zeros(2, bool), 'known_boxes'),
        (np.zeros((2, 4), int), np.zeros(2, bool), 'known_boxes'),
        (np.zeros((2, 4)), np.zeros(1, bool), 'embed'),
        (np.zeros((2, 4)), np.zeros(2), 'embed'),
    ],
)
def test_detection_request_refuses_arrays_of_another_shape_or_type(known_boxes, embed, named):
    with pytest.raises(ValueError, match=named):
        DetectionRequest(FRAME, known_boxes, embed)


@pytest.mark.parametrize(
    'arrays',
    [
        {'embeddings': np.zeros((2, 128))},
        {'embeddings': np.zeros(128)},
        {'rolls': np.zeros(2)},
        {'rolls': [0.0]},
        {'colour_histograms': np.zeros((1, 512), int)},
    ],
)
def test_detection_result_refuses_arrays_that_do_not_fit_its_detections(arrays):
    with pytest.raises(ValueError, match=next(iter(arrays))):
        DetectionResult(0, (FACE,), **arrays)


def test_detection_result_keeps_detections_as_a_tuple_and_arrays_read_only():
    result = DetectionResult(0, [FACE], np.zeros((1, 128), np.float32), np.zeros(1), np.zeros((1, 512), np.float32))
    assert result.detections == (FACE,)
    for array in (result.embeddings, result.rolls, result.colour_histograms):
        assert not array.flags.writeable


@pytest.mark.parametrize('rgb', [np.zeros((4, 6)), np.zeros((4, 6, 3)), np.zeros((4, 6, 4), np.uint8), None])
def test_frame_and_crop_refuse_what_is_not_an_rgb_image(rgb):
    for make in (lambda: Frame(0, 'camera', rgb), lambda: Track(1, FACE.box, 0.9, 0.0, rgb)):
        with pytest.raises(BadInputError, match='wanted an') as caught:
            make()
        assert caught.value.kind == 'image'


def test_image_of_a_frame_is_read_only():
    assert not FRAME.rgb.flags.writeable
    assert (FRAME.width, FRAME.height) == (6, 4)


def test_box_is_clipped_to_the_image():
    assert Box(-10, 5, 30, 10).clipped(15, 8) == Box(0, 5, 15, 3)
    assert Box(20, 0, 5, 5).clipped(15, 8).area == 0
