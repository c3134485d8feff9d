"""The mood of a group is the stated weighted mean."""

import math

import numpy as np
import pytest

from affect_perception.core.agent.group_affect import group_affect, weights
from affect_perception.types import Affect, Box

HAPPY = (0.0, 0.1, 0.2, 0.7)


def face(x=100.0, size=100.0, valence=0.0, arousal=0.0, smile=0.0, track_id=1) -> Affect:
    box = Box.around((x, 200.0), size, size)
    return Affect(track_id, box, 0.9, HAPPY, smile, valence=valence, arousal=arousal)


def test_mood_of_a_group_is_the_stated_weighted_mean():
    faces = [face(100, 200, 0.4, 0.1, 0.9), face(400, 100, -0.2, 0.3, 0.1), face(700, 50, 0.0, -0.5, 0.5)]
    # By hand: the mean of the centres is 400; distances 300, 0, 300; α = 1/2 halves the outer two.
    raw = np.array([200 * 0.5, 100 * 1.0, 50 * 0.5])
    share = raw / raw.sum()
    np.testing.assert_allclose(weights(faces, 0.5), share)
    mood = group_affect(faces, 0.5)
    assert mood.valence == pytest.approx(share @ [0.4, -0.2, 0.0])
    assert mood.arousal == pytest.approx(share @ [0.1, 0.3, -0.5])
    assert mood.smile_intensity == pytest.approx(share @ [0.9, 0.1, 0.5])
    assert mood.people == 3


def test_mood_of_one_person_is_that_persons():
    mood = group_affect([face(valence=0.3, arousal=-0.2, smile=0.7)])
    assert (mood.valence, mood.arousal, mood.smile_intensity) == pytest.approx((0.3, -0.2, 0.7))


def test_nearer_one_of_two_people_weighs_more_by_size_alone():
    np.testing.assert_allclose(weights([face(100, 150), face(500, 50)], 0.5), [0.75, 0.25])
    np.testing.assert_allclose(weights([face(100, 150), face(500, 50)], 1.0), [0.75, 0.25])


def test_person_whose_value_is_not_known_leaves_the_mood_to_the_others():
    faces = [face(valence=math.nan, smile=math.nan), face(300, valence=0.4, smile=0.6)]
    mood = group_affect(faces)
    assert mood.valence == pytest.approx(0.4)
    assert mood.smile_intensity == pytest.approx(0.6)
    assert mood.people == 2


def test_nobody_has_no_mood():
    mood = group_affect([])
    assert all(math.isnan(v) for v in (mood.valence, mood.arousal, mood.smile_intensity))
    assert mood.people == 0


def test_box_without_size_breaks_nothing():
    mood = group_affect([face(size=0.0, valence=0.5), face(300, 0.0, valence=-0.5)])
    assert mood.valence == pytest.approx(0.0)
