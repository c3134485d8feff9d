"""Unreadable pictures of scoring: one stack per kind, and the table of the confidence for them."""

import numpy as np
from builders.training import drawn_faces

from affect_perception.models.smile_va import SmileVa
from affect_perception.training.scoring.unreadable import DRAWN, confidence_rows, unreadable


def test_every_kind_is_a_stack_of_crops_that_differ_from_the_faces_and_are_the_same_each_time():
    faces = drawn_faces(4, 0).crops
    made, again = unreadable(faces), unreadable(faces)
    assert len(made) >= 12
    for name, crops in made.items():
        assert crops.shape in ((DRAWN, 48, 48), faces.shape), name
        assert crops.dtype == np.uint8, name
        assert not np.array_equal(crops[:4], faces), name
        assert np.array_equal(crops, again[name]), name


def test_rows_count_what_is_below_the_threshold_as_unknown_and_never_as_a_smile():
    model = SmileVa(channels=(4, 6, 8, 10), blocks=(1, 1, 1, 1), hidden=4)
    crops = {'discs': drawn_faces(6, 1).crops}
    none, every = (confidence_rows(model, crops, threshold)['discs'] for threshold in (0.0, 1.0))
    assert (none['n'], none['unknown']) == (6, 0)
    assert (every['unknown'], every['smiles']) == (1, 0)
    assert none['p5'] <= none['median'] <= none['p95']
