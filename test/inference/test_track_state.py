"""State per track: dropped when not finite or absent too long, so that it neither spreads NaN nor grows."""

import torch

from affect_perception.inference.track_state import RecurrentStates

SECOND = 1_000_000_000
GAP_S = 1 / 30


def test_a_state_with_nan_is_dropped():
    states = RecurrentStates(lambda n: torch.zeros(n, 2, 4), GAP_S)
    new = torch.ones(2, 2, 4)
    new[0, 1, 3] = float('nan')
    states.put([7, 8], new, 0)
    _, recalled = states.get([7, 8], SECOND // 30)
    assert recalled[0].eq(0).all()
    assert recalled[1].eq(1).all()


def test_states_of_five_hundred_tracks_that_come_and_go_stay_few():
    states = RecurrentStates(lambda n: torch.zeros(n, 2, 4), GAP_S)
    for second in range(500):
        states.get([second], second * SECOND)
        states.put([second], torch.ones(1, 2, 4), second * SECOND)
    assert len(states) <= 12
