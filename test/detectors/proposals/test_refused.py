"""Memory of refused places: no second look at what stands still, another one at what is new, moved or grown likely."""

import itertools

import numpy as np
import pytest

from affect_perception.detectors.proposals.finder import Proposals
from affect_perception.detectors.proposals.refused import RefusedPlaces

SIZE = 720, 1280


def proposals(*rows):
    level, y, x, score = np.array(rows, float).reshape(-1, 4).T
    return Proposals(level.astype(np.int64), y, x, score)


def test_a_refused_place_is_known_again_near_by_but_not_elsewhere_at_another_level_or_with_a_higher_estimate():
    places = RefusedPlaces()
    places.add(proposals((3, 200, 300, -0.5), (5, 50, 60, 0.1)), np.array([0]))
    later = proposals(
        (3, 205, 290, -0.4), (3, 200, 300, -0.2), (4, 200, 300, -0.5), (3, 250, 300, -0.5), (5, 50, 60, 0.1)
    )
    assert places.among(later, SIZE).tolist() == []  # pictures of another size than before
    places.add(proposals((3, 200, 300, -0.5)), np.array([0]))
    assert places.among(later, SIZE).tolist() == [0]


@pytest.mark.parametrize('count', [1, 5, 60])
def test_refused_places_are_forgotten_a_few_at_a_time(count):
    places = RefusedPlaces(6)
    rows = proposals(*((0, 10.0, 40.0 * i, -0.5) for i in range(count)))
    places.among(rows, SIZE)
    places.add(rows, np.arange(count))
    left = [count, *(len(places.among(rows, SIZE)) for _ in range(60))]
    assert left[1] == count - count // 6
    assert left[-1] <= 1
    assert all(before - after <= count / 6 + 1 for before, after in itertools.pairwise(left))


def test_a_small_enlarged_face_is_known_again_only_very_near():
    places = RefusedPlaces()
    one = proposals((-4, 100, 100, -0.5))
    places.among(one, SIZE)
    places.add(one, np.array([0]))
    assert places.among(proposals((-4, 105, 100, -0.5), (-4, 110, 100, -0.5)), SIZE).tolist() == [0]


def test_nothing_proposed_and_nothing_refused_are_no_trouble():
    places = RefusedPlaces()
    assert places.among(proposals(), SIZE).size == 0
    places.add(proposals(), np.zeros(0, np.int64))
    assert places.among(proposals(), SIZE).size == 0
