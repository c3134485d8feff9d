"""Occlusion between faces: which points can be seen, which face has drifted to another, which touch."""

import numpy as np

from affect_perception.core.tracking.occlusion import drifted_to_another, touching, visible_points


def test_points_behind_the_face_in_front_are_not_used():
    boxes = np.array([[100.0, 100, 80, 80], [150, 100, 100, 100]])
    usable = visible_points(boxes, np.array([0.5, 1.0]), np.array([True, True]))
    assert 0 < usable[0].mean() < 0.6
    assert usable[1].all()


def test_of_two_faces_at_one_place_only_the_one_that_looks_like_itself_is_there():
    boxes = np.array([[100.0, 100, 80, 80], [105, 100, 80, 80], [400, 100, 80, 80]])
    assert drifted_to_another(boxes, np.array([0.6, 0.9, 0.5]), np.ones(3, bool)).tolist() == [True, False, False]


def test_faces_side_by_side_touch_and_distant_ones_do_not():
    boxes = np.array([[100.0, 100, 80, 80], [175, 100, 80, 80], [400, 100, 80, 80]])
    assert touching(boxes).tolist() == [True, True, False]
    assert touching(np.zeros((0, 4))).shape == (0,)
