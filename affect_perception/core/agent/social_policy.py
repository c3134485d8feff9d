"""Default policy: greets newcomers, mirrors smiles, shares its attention, soothes, says farewell.

Every image gives proposals, each with an urgency; the present behaviour continues until its time is over. Three rules
prevent flicker: no behaviour is shorter than `min_dwell_s`, a more urgent proposal waits `interrupt_s`, one of equal
urgency `turn_s`. Among proposals of equal urgency, the person with the least recent attention comes first.
docs/agent.md explains the policy to users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from affect_perception.core.agent import policy as do
from affect_perception.core.agent.group_affect import group_affect
from affect_perception.core.agent.group_mood import Mood, updated_mood
from affect_perception.core.agent.person_state import GAP_S, PersonState, add_attention, update_people
from affect_perception.core.agent.policy import NOBODY, Behaviour
from affect_perception.settings import AgentSettings
from affect_perception.types import Affect

# Urgencies. A smile that was not mirrored yet has priority over one that is being mirrored.
_SHARED_LAUGH, _NEW_SMILE, _SMILE, _GREET, _SOOTHE, _FAREWELL, _LISTEN, _ATTEND, _IDLE = 8, 7, 6, 5, 4, 3, 2, 1, 0
_MAX_STEP_S = 1.0  # longer gaps between two images count as this
_OUT_OF_ORDER_S = 1.0  # an image older than the last by less is late; by more, the recording has restarted
_MAX_FAREWELL_DELAY_S = 3.0  # no farewell after this
_SOOTHE_TURNS = 2  # turns for which soothing has priority over attention


@dataclass(frozen=True)
class Proposal:
    """Proposed behaviour with its urgency; `attended_s` is the recent attention to its target."""

    behaviour: Behaviour
    urgency: int
    attended_s: float = 0.0


@dataclass(frozen=True)
class PolicyState:
    """PolicyState of the policy from image to image; `since_ns` is the start of the present behaviour."""

    stamp_ns: int
    occupied_ns: int  # last image with a face
    behaviour: Behaviour
    since_ns: int
    urgency: int
    people: tuple[PersonState, ...] = ()
    mood: Mood = field(default_factory=Mood)


class SocialPolicy:
    """Default policy, see the module; thresholds and durations are those of `settings`."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings

    def decide(
        self, state: PolicyState | None, people: Sequence[Affect], stamp_ns: int
    ) -> tuple[PolicyState, Behaviour]:
        """New state and behaviour for `people`, all faces in the image at `stamp_ns`."""
        if state is None or (state.stamp_ns - stamp_ns) * 1e-9 > _OUT_OF_ORDER_S:  # a recording that restarts
            state = PolicyState(stamp_ns, stamp_ns, Behaviour(do.IDLE, reason='nobody in view'), stamp_ns, _IDLE)
        stamp_ns = max(stamp_ns, state.stamp_ns)
        state = self._update(state, people, stamp_ns)
        away_s = (stamp_ns - state.occupied_ns) * 1e-9
        if not people and away_s >= self._settings.idle_after_s:
            chosen = Proposal(Behaviour(do.IDLE, reason=f'nobody in view for {away_s:.0f} s'), _IDLE)
        else:
            chosen = self._choose(state, self._proposals(state, stamp_ns))
        return self._begin(state, chosen), chosen.behaviour

    def _update(self, state: PolicyState, faces: Sequence[Affect], stamp_ns: int) -> PolicyState:
        """Update people, mood and accumulated times with one image."""
        dt_s = min((stamp_ns - state.stamp_ns) * 1e-9, _MAX_STEP_S)
        action, target = state.behaviour.key
        before = [add_attention(p, p.track_id == target, (do.MIRROR, p.track_id) == (action, target), dt_s)
                  for p in state.people]  # fmt: skip
        people, renamed = update_people(before, faces, stamp_ns, self._settings)
        present = [p for p in people.values() if p.absent_s(stamp_ns) < GAP_S]
        mood = replace(
            state.mood,
            soothed_s=state.mood.soothed_s + (dt_s if action == do.SOOTHE else 0.0),
            amplified_s=state.mood.amplified_s + (dt_s if action == do.AMPLIFY else 0.0),
        )
        valence = group_affect(faces, self._settings.group_position).valence
        return replace(
            state,
            stamp_ns=stamp_ns,
            occupied_ns=stamp_ns if faces else state.occupied_ns,
            behaviour=replace(state.behaviour, target_track_id=renamed.get(target, target)),
            people=tuple(people.values()),
            mood=updated_mood(mood, valence, present, stamp_ns, dt_s, self._settings),
        )

    def _proposals(self, state: PolicyState, stamp_ns: int) -> list[Proposal]:
        """Proposals for the present image, the best first."""
        settings = self._settings
        present = [p for p in state.people if p.absent_s(stamp_ns) < GAP_S]
        proposals = [self._person_proposal(p) for p in present]
        if not present:  # attend to where a person was a moment ago
            recent = [p for p in state.people if p.absent_s(stamp_ns) < settings.farewell_after_s]
            proposals += [
                Proposal(
                    Behaviour(do.ATTEND, p.track_id, 0.1, f'person {p.track_id} was here a moment ago'),
                    _ATTEND,
                    p.absent_s(stamp_ns),
                )
                for p in recent
            ]
        proposals += self._greeting_proposals(state, present)
        proposals += self._farewell_proposals(state, stamp_ns)
        proposals += self._group_proposals(state, present)
        return sorted(proposals, key=lambda p: (-p.urgency, p.attended_s, p.behaviour.target_track_id))

    def _person_proposal(self, person: PersonState) -> Proposal:
        if person.speaking and not (person.smiling and person.greeted):
            text = f'person {person.track_id} speaks'
            return Proposal(Behaviour(do.ATTEND, person.track_id, 0.6, text), _LISTEN, person.attended_s)
        if not person.smiling or not person.greeted:  # greeting comes first
            text = f'person {person.track_id} is in view, and it is their turn'
            return Proposal(Behaviour(do.ATTEND, person.track_id, 0.3, text), _ATTEND, person.attended_s)
        urgency = _ATTEND if person.mirrored_s >= self._settings.mirror_s else _SMILE
        urgency = _NEW_SMILE if person.mirrored_s == 0 else urgency
        text = f'person {person.track_id} {"laughs" if person.laughing else "smiles"} (intensity {person.smile:.2f})'
        return Proposal(Behaviour(do.MIRROR, person.track_id, _share(person.smile), text), urgency, person.attended_s)

    def _greeting_proposals(self, state: PolicyState, present: Sequence[PersonState]) -> list[Proposal]:
        settings = self._settings
        continues = self._continues(state, do.GREET, settings.greet_s)
        return [
            Proposal(Behaviour(do.GREET, p.track_id, 1.0, f'person {p.track_id} is new here'), _GREET, p.attended_s)
            for p in present
            if (continues and state.behaviour.target_track_id == p.track_id)
            or (not p.greeted and p.stayed_s() >= settings.newcomer_s)
        ]

    def _farewell_proposals(self, state: PolicyState, stamp_ns: int) -> list[Proposal]:
        if self._continues(state, do.FAREWELL, self._settings.farewell_s):
            return [Proposal(state.behaviour, _FAREWELL)]
        leaving = [p for p in state.people if self._leaves(p, stamp_ns)]
        if not leaving:
            return []
        ids = [p.track_id for p in leaving]
        who = f'person {ids[0]} has' if len(ids) == 1 else f'persons {", ".join(map(str, ids))} have'
        target = ids[0] if len(ids) == 1 else NOBODY
        return [Proposal(Behaviour(do.FAREWELL, target, 1.0, f'{who} left'), _FAREWELL)]

    def _leaves(self, person: PersonState, stamp_ns: int) -> bool:
        late_s = person.absent_s(stamp_ns) - self._settings.farewell_after_s
        return person.greeted and not person.left and 0 <= late_s < _MAX_FAREWELL_DELAY_S

    def _group_proposals(self, state: PolicyState, present: Sequence[PersonState]) -> list[Proposal]:
        """Proposals for the group as a whole."""
        settings, mood = self._settings, state.mood
        proposals: list[Proposal] = []
        if mood.shared:
            laughing = [p for p in present if p.laughing]
            text = f'{len(laughing)} of {len(present)} people laugh together'
            strength = sum(p.smile for p in laughing) / len(laughing)
            fresh = mood.amplified_s < settings.mirror_s
            behaviour = Behaviour(do.AMPLIFY, NOBODY, _share(strength), text)
            proposals.append(Proposal(behaviour, _SHARED_LAUGH if fresh else _ATTEND, mood.amplified_s))
        if mood.low:
            only = present[0].track_id if len(present) == 1 else NOBODY
            fall = f', it was {mood.usual:+.2f}' if mood.usual - mood.valence > 0.1 else ''
            text = f'the valence of {len(present)} people is {mood.valence:+.2f}{fall}'
            fresh = mood.soothed_s < _SOOTHE_TURNS * settings.turn_s
            behaviour = Behaviour(do.SOOTHE, only, _share(0.4 - mood.valence), text)
            proposals.append(Proposal(behaviour, _SOOTHE if fresh else _ATTEND, mood.soothed_s))
        return proposals

    def _choose(self, state: PolicyState, proposals: Sequence[Proposal]) -> Proposal:
        settings, held_s = self._settings, (state.stamp_ns - state.since_ns) * 1e-9
        current = next((p for p in proposals if p.behaviour.key == state.behaviour.key), None)
        now = current or Proposal(state.behaviour, state.urgency)
        if not proposals:
            idle = Proposal(Behaviour(do.IDLE, reason='nobody in view'), _IDLE)
            return now if held_s < settings.min_dwell_s else idle
        best = proposals[0]
        if best.urgency > now.urgency:
            wait_s = settings.interrupt_s
        elif current is None:
            wait_s = settings.min_dwell_s
        else:
            wait_s = max(settings.turn_s, settings.min_dwell_s)
        return best if held_s >= wait_s or best is current else now

    def _begin(self, state: PolicyState, chosen: Proposal) -> PolicyState:
        """PolicyState after the choice of a proposal; marks people as greeted or given farewell."""
        if chosen.behaviour.key == state.behaviour.key:
            return replace(state, behaviour=chosen.behaviour, urgency=chosen.urgency)
        action, target = chosen.behaviour.key
        people = tuple(
            replace(
                p,
                greeted=p.greeted or (action, target) == (do.GREET, p.track_id),
                left=p.left or (action == do.FAREWELL and self._leaves(p, state.stamp_ns)),
            )
            for p in state.people
        )
        return replace(
            state, behaviour=chosen.behaviour, urgency=chosen.urgency, since_ns=state.stamp_ns, people=people
        )

    def _continues(self, state: PolicyState, action: str, seconds: float) -> bool:
        return state.behaviour.action == action and (state.stamp_ns - state.since_ns) * 1e-9 < seconds


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)
