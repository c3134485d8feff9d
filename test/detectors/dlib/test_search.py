"""Order in which proposals are looked at: best first, none twice for one clear face, all for a doubtful one."""

import numpy as np
import pytest

from affect_perception.detectors.dlib.search import ProposalSearch

FACE, OTHER = [0, 1, 2], [3]  # proposals 0 to 2 are three levels of one face


def search(estimates, settled=0.95):
    overlaps = np.zeros((4, 4), bool)
    overlaps[np.ix_(FACE, FACE)] = overlaps[np.ix_(OTHER, OTHER)] = True
    return ProposalSearch(np.array(estimates), np.array([2, 3, 4, 3]), overlaps, overlaps, settled)


def two_of_one_middle(estimates):
    """Two proposals of which dlib would keep both, with nearly the same middle, at much different levels."""
    return ProposalSearch(np.array(estimates), np.array([2, 6]), np.eye(2, dtype=bool), np.ones((2, 2), bool), 0.95)


def rounds(proposals, scores):
    """Indices of each round, when looking shows `scores`."""
    found = []
    while (chosen := proposals.next_round(-0.7)).size:
        found.append(sorted(chosen.tolist()))
        for index in chosen.tolist():
            proposals.record(index, scores[index])
    return found


def test_a_clear_face_is_looked_at_once_in_the_middle_of_its_levels():
    assert rounds(search([0.9, 1.0, 1.05, 0.4]), [1.0, 1.05, 1.0, 0.2]) == [[1, 3]]


def test_all_levels_of_a_clear_face_are_looked_at_where_none_settles_it():
    assert rounds(search([0.9, 1.0, 0.95, 0.4], np.inf), [1.0, 1.05, 1.0, 0.2]) == [[1, 3], [2], [0]]


def test_levels_of_a_doubtful_face_are_looked_at_unless_estimated_far_below():
    assert rounds(search([0.3, 0.5, -0.2, 0.4]), [0.6, 0.5, -0.1, 0.2]) == [[1, 3], [0]]


def test_where_nothing_is_the_estimates_around_lose_their_credit():
    assert rounds(search([-0.6, -0.4, -0.6, -0.65]), [-3, -3, -3, -3]) == [[1, 3]]


@pytest.mark.parametrize(('score', 'looks'), [(1.0, [[0]]), (0.35, [[0]]), (0.2, [[0], [1]]), (-1.0, [[0], [1]])])
def test_around_the_middle_of_a_sure_face_no_much_larger_one_is_looked_for(score, looks):
    proposals = two_of_one_middle([0.5, 0.4])
    assert rounds(proposals, [score, -1.0]) == looks
    assert set(proposals.refused) == {look for (look,) in looks if look or score < 0}  # one unseen is not refused


def test_proposals_that_are_dropped_are_not_looked_at():
    proposals = search([0.9, 1.0, 0.95, 0.4])
    proposals.drop(np.array(FACE))
    assert proposals.next_round(-0.7).tolist() == OTHER


def test_nothing_proposed_is_nothing_to_look_at():
    assert (
        not ProposalSearch(np.zeros(0), np.zeros(0, int), np.zeros((0, 0), bool), np.zeros((0, 0), bool), 1.0)
        .next_round(-0.7)
        .size
    )
