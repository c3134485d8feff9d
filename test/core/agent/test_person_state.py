"""State of people for the agent when ids are used again."""

from dataclasses import replace

import pytest
from builders.dashboard import face

from affect_perception.core.agent.person_state import update_people
from affect_perception.settings import AgentSettings

T0 = 1_795_000_000_000_000_000
SETTINGS = AgentSettings()


def state_after(gap_s: float, evidence: int):
    """State of id 1, seen for ten frames, then after a gap with another count of frames."""
    known = {}
    for i in range(10):
        seen = replace(face(1, smile=0.9), evidence_frames=i + 1)
        known, _ = update_people(known.values(), [seen], T0 + i * 10**8, SETTINGS)
    known = {1: replace(known[1], greeted=True)}
    again = T0 + 10**9 + int(gap_s * 1e9)
    known, _ = update_people(known.values(), [replace(face(1), evidence_frames=evidence)], again, SETTINGS)
    return known[1]


@pytest.mark.parametrize(('gap_s', 'evidence', 'greeted'), [(4.0, 1, False), (4.0, 11, True), (20.0, 1, True)])
def test_stranger_under_the_id_of_a_tracker_that_was_started_again_has_a_new_state(gap_s, evidence, greeted):
    assert state_after(gap_s, evidence).greeted is greeted
