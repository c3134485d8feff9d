"""Fields of ROS4HRI made of our records: ids, normalised boxes, expressions."""

import math

import pytest
from builders import hri_msgs as hri_messages

from affect_perception.expressions import EXPRESSIONS
from affect_perception.ros.hri import ros4hri
from affect_perception.types import NAN3, Affect, Box

NAN = math.nan
# Those of hri_msgs/Expression; libhri warns of every other one, also of an empty one.
LISTED = set(hri_messages.EXPRESSIONS.split())


def face(track_id=1, smile=(0.1, 0.2, 0.6, 0.1), intensity=0.7, **fields) -> Affect:
    return Affect(track_id, Box(100, 50, 200, 200), 0.8, smile, intensity, NAN3, **fields)


def test_ids_are_names_that_topics_may_have():
    assert ros4hri.face_id(12) == 'f00012'
    assert ros4hri.face_id(2**32 - 1) == 'f4294967295'


def test_box_is_given_in_shares_of_the_image():
    assert ros4hri.normalised(Box(64, 48, 128, 96), 640, 480) == pytest.approx((0.1, 0.1, 0.3, 0.3))
    assert ros4hri.normalised(Box(-20, 400, 40, 400), 640, 480) == pytest.approx((0, 400 / 480, 20 / 640, 1))


@pytest.mark.parametrize(
    ('made', 'labels', 'expected'),
    [
        (face(), (), ('happy', 0.9)),
        (face(smile=(0.7, 0.1, 0.1, 0.1)), (), ('neutral', 0.7)),
        (face(smile=(NAN,) * 4, intensity=NAN), (), ('neutral', 0.0)),
        (face(expression_probabilities=(0.1, 0.7, 0.2)), ('neutral', 'fear', 'happiness'), ('scared', 0.7)),
        (face(expression_probabilities=(0.2, 0.8)), ('Neutral', 'Contempt'), ('annoyed', 0.8)),
        (face(expression_probabilities=(1.0,)), ('something new',), ('happy', 0.9)),
        (face(expression_probabilities=(NAN, NAN)), ('neutral', 'fear'), ('happy', 0.9)),
    ],
)
def test_expression_is_always_one_of_the_listed(made, labels, expected):
    name, confidence = ros4hri.expression(made, labels)
    assert (name, confidence) == (expected[0], pytest.approx(expected[1]))
    assert name in LISTED
    assert set(ros4hri.HRI_EXPRESSIONS.values()) <= LISTED


def test_every_expression_has_a_name_in_hri_msgs():
    assert set(ros4hri.HRI_EXPRESSIONS) == set(EXPRESSIONS)
