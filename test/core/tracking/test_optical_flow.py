"""Optical flow of faces: shift, scale and support, on images shifted and scaled by known amounts."""

import cv2
import numpy as np
import pytest
from skimage import data

from affect_perception.core.tracking.flow_image import FlowImage
from affect_perception.core.tracking.optical_flow import MIN_SUPPORT, estimate_motion
from affect_perception.types import Frame

FACE = np.array([[220.0, 121.0, 90.0, 90.0]])  # of the astronaut


def flow_image(rgb, stamp_ns=0, width=640):
    return FlowImage.of(Frame(stamp_ns, 'camera', rgb), width)


def moved_image(shift=(0, 0), scale=1.0):
    """The astronaut shifted, and grown around the face."""
    x, y = FACE[0, :2]
    matrix = np.float32([[scale, 0, x * (1 - scale) + shift[0]], [0, scale, y * (1 - scale) + shift[1]]])
    return cv2.warpAffine(data.astronaut(), matrix, (512, 512), borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize('shift', [(0, 0), (3.5, -2.25), (14, 9)])
def test_a_shift_is_measured_to_a_quarter_of_a_pixel(shift):
    motion = estimate_motion(flow_image(data.astronaut()), flow_image(moved_image(shift)), FACE, np.zeros((1, 2)))
    assert motion.shift[0] == pytest.approx(shift, abs=0.25)
    assert motion.scale[0] == pytest.approx(1, abs=0.01)
    assert motion.support[0] > 0.7


def test_a_face_that_comes_closer_grows():
    motion = estimate_motion(
        flow_image(data.astronaut()), flow_image(moved_image((2, 1), scale=1.05)), FACE, np.zeros((1, 2))
    )
    assert motion.scale[0] == pytest.approx(1.05, abs=0.01)
    assert motion.apply(FACE)[0] == pytest.approx([222, 122, 94.5, 94.5], abs=1.2)


def test_flow_on_a_smaller_image_speaks_in_pixels_of_the_frame():
    big = [cv2.resize(p, (1536, 1536)) for p in (data.astronaut(), moved_image((6, 3)))]
    motion = estimate_motion(flow_image(big[0]), flow_image(big[1]), FACE * 3, np.zeros((1, 2)))
    assert flow_image(big[0]).downscale == 2
    assert motion.shift[0] == pytest.approx((18, 9), abs=0.75)


def test_what_is_not_in_the_new_picture_has_no_support():
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3)).astype(np.uint8)
    assert (
        estimate_motion(flow_image(data.astronaut()), flow_image(noise), FACE, np.zeros((1, 2))).support[0]
        < MIN_SUPPORT
    )


def test_faces_outside_the_picture_and_no_faces_at_all_are_no_trouble():
    here = flow_image(data.astronaut())
    outside = np.array([[-500.0, -500.0, 90.0, 90.0], [5000.0, 100.0, 90.0, 90.0]])
    assert (estimate_motion(here, here, outside, np.zeros((2, 2))).support == 0).all()
    assert estimate_motion(here, here, np.empty((0, 4)), np.zeros((0, 2))).shift.shape == (0, 2)


def test_a_jump_that_nobody_expected_is_followed():
    """By nearly half a face from one picture to the next; it was at rest."""
    motion = estimate_motion(flow_image(data.astronaut()), flow_image(moved_image((36, 0))), FACE, np.zeros((1, 2)))
    assert motion.shift[0] == pytest.approx((36, 0), abs=0.5)
    assert motion.support[0] > 0.7


@pytest.mark.parametrize('size', [(1, 1), (1, 400), (3, 2000), (37, 41)])
def test_any_size_of_picture_is_taken(size):
    here = flow_image(np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8))
    estimate_motion(here, here, np.array([[size[1] / 2, size[0] / 2, 20.0, 20.0]]), np.zeros((1, 2)))
