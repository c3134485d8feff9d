"""Association of detections and faces: gating, cost, assignment, colour histograms."""

import numpy as np
from skimage import data

from affect_perception.core.tracking.association import assign, association_costs, colour_distance, colour_histogram
from affect_perception.types import Box

ASTRONAUT_FACE = Box(175, 76, 90, 90)


def row(x, y, size):
    return np.array([[x, y, size, size]], float)


def test_assignment_takes_the_least_total_cost_and_leaves_out_what_cannot_be():
    cost = np.array([[1.0, 2.0, np.inf], [1.1, 9.0, np.inf]])
    assert assign(cost) == [(0, 1), (1, 0)]
    assert assign(np.full((2, 2), np.inf)) == []
    assert assign(np.empty((0, 3))) == []


def test_a_followed_face_takes_only_finds_near_by_and_of_its_size():
    face, zero = row(100, 100, 100), np.zeros((1, 1))
    assert np.isfinite(association_costs(face, np.zeros(1), row(130, 100, 110), zero)).all()
    assert np.isinf(association_costs(face, np.zeros(1), row(200, 100, 100), zero)).all()
    assert np.isinf(association_costs(face, np.zeros(1), row(100, 100, 300), zero)).all()


def test_a_hidden_face_may_have_strayed_but_is_not_taken_for_whoever_comes_by():
    face, away, uncertainty = row(100, 100, 100), row(250, 100, 100), np.ones(1)
    assert np.isfinite(association_costs(face, uncertainty, away, np.array([[0.2]]))).all()
    assert np.isinf(association_costs(face, uncertainty, away, np.array([[0.8]]))).all()


def test_colours_of_a_head_stay_alike_when_its_box_jitters_and_differ_from_other_colours():
    rgb = data.astronaut()
    here = colour_histogram(rgb, ASTRONAUT_FACE)
    shifted = colour_histogram(rgb, Box(180, 72, 95, 95))
    other = colour_histogram(np.ascontiguousarray(rgb[..., ::-1]), ASTRONAUT_FACE)
    near, far = colour_distance(here[None], shifted[None])[0, 0], colour_distance(here[None], other[None])[0, 0]
    assert near < 0.25 < far
