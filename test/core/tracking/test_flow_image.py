"""Flow images: patches, their similarity (NCC), and template matching."""

import cv2
import numpy as np
import pytest
from skimage import data

from affect_perception.core.tracking.flow_image import FlowImage, normalized, patch_similarity
from affect_perception.types import Frame

FACE = np.array([[220.0, 121.0, 90.0, 90.0]])  # of the astronaut


def flow_image(rgb, stamp_ns=0, width=640):
    return FlowImage.of(Frame(stamp_ns, 'camera', rgb), width)


def moved_image(shift=(0, 0), scale=1.0):
    """The astronaut shifted, and grown around the face."""
    x, y = FACE[0, :2]
    matrix = np.float32([[scale, 0, x * (1 - scale) + shift[0]], [0, scale, y * (1 - scale) + shift[1]]])
    return cv2.warpAffine(data.astronaut(), matrix, (512, 512), borderMode=cv2.BORDER_REFLECT)


def test_a_patch_is_found_where_the_face_went():
    patch = flow_image(data.astronaut()).patch(FACE[0])
    score, where = flow_image(moved_image((12, -8))).search(patch, FACE[0], 0.25)
    assert score > 0.8
    assert where[:2] == pytest.approx((232, 113), abs=4.5)


def test_a_half_hidden_face_is_still_like_itself_and_a_hidden_one_is_not():
    rgb = data.astronaut()
    patch = flow_image(rgb).patch(FACE[0])
    half, whole = rgb.copy(), rgb.copy()
    half[60:180, 220:300] = 255
    whole[60:180, 150:300] = np.random.default_rng(0).integers(0, 255, (120, 150, 3))
    like = patch_similarity(np.array([patch, patch]), np.array([flow_image(p).patch(FACE[0]) for p in (half, whole)]))
    assert like[0] > 0.8
    assert like[1] < 0.5


def test_patches_are_alike_as_the_correlation_of_what_they_show_says():
    boxes = FACE + np.array([[0, 0, 0, 0], [40, 30, 0, 10], [5, 0, 8, 0]])
    a, b = flow_image(data.astronaut()).patches(boxes), flow_image(moved_image((4, 2))).patches(boxes)
    assert a[1] == pytest.approx(flow_image(data.astronaut()).patch(boxes[1]))
    whole = [np.corrcoef(p, q)[0, 1] for p, q in zip(a, b, strict=True)]
    left = [np.corrcoef(*(v.reshape(20, 20)[:, :10].ravel() for v in pair))[0, 1] for pair in zip(a, b, strict=True)]
    assert np.all(patch_similarity(a, b) >= np.maximum(whole, np.multiply(left, 0.9)) - 1e-4)
    assert patch_similarity(a, a) == pytest.approx(1, abs=1e-4)


def test_a_flat_picture_is_like_nothing():
    flat = np.full((20, 20), 7, np.uint8)
    assert not normalized(flat).any()
    assert flow_image(np.zeros((720, 1280, 3), np.uint8)).blank
    assert not flow_image(data.astronaut()).blank
