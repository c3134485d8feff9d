import numpy as np
import pytest
from skimage import data

from affect_perception.core.boxes import box_to_row, carry_box, covered_share, iou, row_to_box
from affect_perception.core.tracking.association import assign, colour_distance, colours, costs
from affect_perception.core.tracking.occlusion import swallowed, visible_points
from affect_perception.types import Box

ASTRONAUT_FACE = Box(175, 76, 90, 90)


def row(x, y, size):
    return np.array([[x, y, size, size]], float)


def test_overlap_of_boxes_is_counted_as_share_of_what_both_cover():
    a, b = row(50, 50, 100), row(100, 50, 100)
    assert iou(a, a)[0, 0] == pytest.approx(1)
    assert iou(a, b)[0, 0] == pytest.approx(1 / 3)
    assert covered_share(a, b)[0, 0] == pytest.approx(1 / 2)
    assert iou(a, row(500, 500, 100))[0, 0] == 0
    assert iou(np.empty((0, 4)), b).shape == (0, 1)


def test_box_goes_to_a_row_and_back():
    box = Box(10, 20, 30, 40)
    assert row_to_box(box_to_row(box)) == box


def test_an_old_find_is_carried_along_with_the_motion_and_growth_of_the_track():
    old, new = np.array([100.0, 100, 50, 50]), np.array([200.0, 100, 100, 100])
    found = np.array([110.0, 100, 50, 50])
    assert carry_box(found, old, new) == pytest.approx([220, 100, 100, 100])


def test_assignment_takes_the_least_total_cost_and_leaves_out_what_cannot_be():
    cost = np.array([[1.0, 2.0, np.inf], [1.1, 9.0, np.inf]])
    assert assign(cost) == [(0, 1), (1, 0)]
    assert assign(np.full((2, 2), np.inf)) == []
    assert assign(np.empty((0, 3))) == []


def test_a_followed_face_takes_only_finds_near_by_and_of_its_size():
    face, zero = row(100, 100, 100), np.zeros((1, 1))
    assert np.isfinite(costs(face, np.zeros(1), row(130, 100, 110), zero)).all()
    assert np.isinf(costs(face, np.zeros(1), row(200, 100, 100), zero)).all()
    assert np.isinf(costs(face, np.zeros(1), row(100, 100, 300), zero)).all()


def test_a_hidden_face_may_have_strayed_but_is_not_taken_for_whoever_comes_by():
    face, away, spread = row(100, 100, 100), row(250, 100, 100), np.ones(1)
    assert np.isfinite(costs(face, spread, away, np.array([[0.2]]))).all()
    assert np.isinf(costs(face, spread, away, np.array([[0.8]]))).all()


def test_colours_of_a_head_stay_alike_when_its_box_jitters_and_differ_from_other_colours():
    rgb = data.astronaut()
    here = colours(rgb, ASTRONAUT_FACE)
    shifted = colours(rgb, Box(180, 72, 95, 95))
    other = colours(np.ascontiguousarray(rgb[..., ::-1]), ASTRONAUT_FACE)
    near, far = colour_distance(here[None], shifted[None])[0, 0], colour_distance(here[None], other[None])[0, 0]
    assert near < 0.25 < far


def test_points_behind_the_face_in_front_are_not_used():
    boxes = np.array([[100.0, 100, 80, 80], [150, 100, 100, 100]])
    usable = visible_points(boxes, np.array([0.5, 1.0]), np.array([True, True]))
    assert 0 < usable[0].mean() < 0.6
    assert usable[1].all()


def test_of_two_faces_at_one_place_only_the_one_that_looks_like_itself_is_there():
    boxes = np.array([[100.0, 100, 80, 80], [105, 100, 80, 80], [400, 100, 80, 80]])
    assert swallowed(boxes, np.array([0.6, 0.9, 0.5]), np.ones(3, bool)).tolist() == [True, False, False]
