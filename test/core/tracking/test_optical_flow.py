import cv2
import numpy as np
import pytest
from skimage import data

from affect_perception.core.tracking.optical_flow import SUPPORT, FlowImage, follow, similarity, unit
from affect_perception.types import Frame

FACE = np.array([[220.0, 121.0, 90.0, 90.0]])  # of the astronaut


def view(rgb, stamp_ns=0, width=640):
    return FlowImage.of(Frame(stamp_ns, 'camera', rgb), width)


def moved_picture(shift=(0, 0), growth=1.0):
    """The astronaut shifted, and grown around the face."""
    x, y = FACE[0, :2]
    matrix = np.float32([[growth, 0, x * (1 - growth) + shift[0]], [0, growth, y * (1 - growth) + shift[1]]])
    return cv2.warpAffine(data.astronaut(), matrix, (512, 512), borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize('shift', [(0, 0), (3.5, -2.25), (14, 9)])
def test_a_shift_is_measured_to_a_quarter_of_a_pixel(shift):
    motion = follow(view(data.astronaut()), view(moved_picture(shift)), FACE, np.zeros((1, 2)))
    assert motion.shift[0] == pytest.approx(shift, abs=0.25)
    assert motion.growth[0] == pytest.approx(1, abs=0.01)
    assert motion.support[0] > 0.7


def test_a_face_that_comes_closer_grows():
    motion = follow(view(data.astronaut()), view(moved_picture((2, 1), growth=1.05)), FACE, np.zeros((1, 2)))
    assert motion.growth[0] == pytest.approx(1.05, abs=0.01)
    assert motion.moved(FACE)[0] == pytest.approx([222, 122, 94.5, 94.5], abs=1.2)


def test_flow_on_a_shrunk_picture_speaks_in_pixels_of_the_frame():
    big = [cv2.resize(p, (1536, 1536)) for p in (data.astronaut(), moved_picture((6, 3)))]
    motion = follow(view(big[0]), view(big[1]), FACE * 3, np.zeros((1, 2)))
    assert view(big[0]).factor == 2
    assert motion.shift[0] == pytest.approx((18, 9), abs=0.75)


def test_what_is_not_in_the_new_picture_has_no_support():
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3)).astype(np.uint8)
    assert follow(view(data.astronaut()), view(noise), FACE, np.zeros((1, 2))).support[0] < SUPPORT


def test_faces_outside_the_picture_and_no_faces_at_all_are_no_trouble():
    here = view(data.astronaut())
    outside = np.array([[-500.0, -500.0, 90.0, 90.0], [5000.0, 100.0, 90.0, 90.0]])
    assert (follow(here, here, outside, np.zeros((2, 2))).support == 0).all()
    assert follow(here, here, np.empty((0, 4)), np.zeros((0, 2))).shift.shape == (0, 2)


def test_a_patch_is_found_where_the_face_went():
    patch = view(data.astronaut()).patch(FACE[0])
    score, where = view(moved_picture((12, -8))).search(patch, FACE[0], 0.25)
    assert score > 0.8
    assert where[:2] == pytest.approx((232, 113), abs=4.5)


def test_a_half_hidden_face_is_still_like_itself_and_a_hidden_one_is_not():
    rgb = data.astronaut()
    patch = view(rgb).patch(FACE[0])
    half, whole = rgb.copy(), rgb.copy()
    half[60:180, 220:300] = 255
    whole[60:180, 150:300] = np.random.default_rng(0).integers(0, 255, (120, 150, 3))
    like = similarity(np.array([patch, patch]), np.array([view(p).patch(FACE[0]) for p in (half, whole)]))
    assert like[0] > 0.8
    assert like[1] < 0.5


def test_patches_are_alike_as_the_correlation_of_what_they_show_says():
    boxes = FACE + np.array([[0, 0, 0, 0], [40, 30, 0, 10], [5, 0, 8, 0]])
    a, b = view(data.astronaut()).patches(boxes), view(moved_picture((4, 2))).patches(boxes)
    assert a[1] == pytest.approx(view(data.astronaut()).patch(boxes[1]))
    whole = [np.corrcoef(p, q)[0, 1] for p, q in zip(a, b, strict=True)]
    left = [np.corrcoef(*(v.reshape(20, 20)[:, :10].ravel() for v in pair))[0, 1] for pair in zip(a, b, strict=True)]
    assert np.all(similarity(a, b) >= np.maximum(whole, np.multiply(left, 0.9)) - 1e-4)
    assert similarity(a, a) == pytest.approx(1, abs=1e-4)


def test_a_jump_that_nobody_expected_is_followed():
    """By nearly half a face from one picture to the next; it was at rest."""
    motion = follow(view(data.astronaut()), view(moved_picture((36, 0))), FACE, np.zeros((1, 2)))
    assert motion.shift[0] == pytest.approx((36, 0), abs=0.5)
    assert motion.support[0] > 0.7


def test_a_flat_picture_is_like_nothing():
    flat = np.full((20, 20), 7, np.uint8)
    assert not unit(flat).any()
    assert view(np.zeros((720, 1280, 3), np.uint8)).blank
    assert not view(data.astronaut()).blank


@pytest.mark.parametrize('size', [(1, 1), (1, 400), (3, 2000), (37, 41)])
def test_any_size_of_picture_is_taken(size):
    here = view(np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8))
    follow(here, here, np.array([[size[1] / 2, size[0] / 2, 20.0, 20.0]]), np.zeros((1, 2)))
