"""Boxes as rows: overlap, conversion, and a box carried by the motion of another."""

import numpy as np
import pytest

from affect_perception.core.boxes import (
    box_to_row,
    boxes_to_rows,
    carry_box,
    covered_share,
    inside_share,
    iou,
    row_to_box,
)
from affect_perception.types import Box


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


def test_no_boxes_are_an_array_of_no_rows():
    assert boxes_to_rows([]).shape == (0, 4)
    assert inside_share(np.zeros((0, 4)), 640, 480).shape == (0,)


def test_share_inside_the_image_is_counted_per_box():
    boxes = np.concatenate([row(100, 100, 50), row(0, 100, 50), row(0, 0, 50), row(-100, 0, 50)])
    assert inside_share(boxes, 640, 480) == pytest.approx([1, 1 / 2, 1 / 4, 0])
