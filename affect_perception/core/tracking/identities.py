"""Who has which id: names newcomers, gives those who return their old id, puts right what was exchanged at a crossing.

A newcomer who may be somebody known gets no id for up to `HOLD_S`, until a look at the face decides; so an id that was
given is never taken back for being a guess. Only when a clear look says that a face is surely not the person of its id
but surely another one (the tracker slid from one to the other) does it change, to the right one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from affect_perception.core.tracking.association import assign
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.reidentification import STRANGER, FaceEmbedding, Identity

HOLD_S = 0.4  # a newcomer waits this long for a better look
_LOOKS = 2  # clear ones until a newcomer is surely new, or known well enough to say that it is not them: who comes into
# the picture beside somebody is often covered by them in a way that nobody sees but the descriptor


@dataclass(frozen=True, eq=False)
class _Departed:
    person: Identity
    left_ns: int


class IdentityRegistry:
    """The people in view have their `Identity` at their face; those who left are remembered here, for a while.

    Ids are never used again for somebody else, not even after `clear`.
    """

    def __init__(self):
        self._next_id = 1
        self._departed: dict[int, _Departed] = {}

    @property
    def remembered(self) -> tuple[int, ...]:
        """Ids of the people who left and would be known again."""
        return tuple(self._departed)

    def clear(self) -> None:
        """Forgets everybody who left."""
        self._departed.clear()

    def forget(self, now_ns: int, memory_s: float) -> None:
        """Forgets those who left more than `memory_s` ago."""
        self._departed = {i: d for i, d in self._departed.items() if now_ns - d.left_ns <= memory_s * 1e9}

    def leave(self, face: FaceState, now_ns: int) -> None:
        """The face is not followed any more; its person is remembered if there is anything to know them by."""
        person = face.person
        if person is not None and len(person.gallery) and face.hits > 1:
            self._departed[person.track_id] = _Departed(person, now_ns)

    def name(self, face: FaceState, person: Identity | None = None) -> None:
        """The face is that person's, or somebody new: a new id."""
        if person is None:
            person = Identity(self._next_id)
            self._next_id += 1
        for look in face.looks:
            if look.clear:
                person.learn(look.descriptor)
        face.person, face.looks = person, []

    def name_all(self, faces: Sequence[FaceState]) -> None:
        """Nobody looks: all who have no id are new."""
        for face in faces:
            if face.person is None:
                self.name(face)

    def name_overdue(self, faces: Sequence[FaceState], now_ns: int) -> None:
        """Those who waited long enough and nobody knew are new, if they can be seen."""
        self.name_all([f for f in faces if f.followed and now_ns - f.began_ns >= HOLD_S * 1e9])

    def settle(
        self,
        faces: list[FaceState],
        found: Collection[FaceState],
        looks: dict[FaceState, FaceEmbedding],
        distance: float,
        now_ns: int,
    ) -> list[FaceState]:
        """Takes the latest looks into account. Returns the faces without those whose person turned up elsewhere.

        `found`: the faces that the detector has just found; `distance`: descriptors nearer than this are one person's.
        """
        for face, look in looks.items():
            face.looked_ns, face.unsure = now_ns, False
            if face.person is None:
                face.looks.append(look)
        gone = self._correct(
            faces, {f: look for f, look in looks.items() if f.person is not None}, found, distance, now_ns
        )
        faces = [f for f in faces if f not in gone]
        gone = self._recognise([f for f in faces if f.person is None], faces, found, distance)
        return [f for f in faces if f not in gone]

    # Those who have no id yet

    def _recognise(
        self, new: list[FaceState], faces: list[FaceState], found: Collection[FaceState], distance: float
    ) -> set[FaceState]:
        """Names those who are known, and those whom surely nobody knows; the others wait."""
        if not new:
            return set()
        absent, owners = self._absent(faces, found)
        present = [f.person for f in faces if f.person is not None and f.person not in absent]
        cost = np.full((len(new), len(absent)), np.inf)
        for i, face in enumerate(new):
            seen = np.array([look.descriptor for look in face.looks])
            cost[i] = [person.distance(seen) for person in absent]
            in_view = min((person.distance(seen) for person in present), default=np.inf)
            cost[i][cost[i] > in_view] = np.inf  # more like somebody who stands beside: a stranger, whoever it is
        gone, named = set(), set()
        for i, k in assign(np.where(cost < distance, cost, np.inf)):
            self.name(new[i], absent[k])
            self._departed.pop(absent[k].track_id, None)
            named.add(i)
            if absent[k] in owners:
                gone.add(owners[absent[k]])
        for i, face in enumerate(new):
            looked = sum(look.clear for look in face.looks)
            surely = looked >= _LOOKS and cost[i].min(initial=np.inf) > (distance + STRANGER) / 2
            if i not in named and (surely or not absent):
                self.name(face)
        return gone

    def _absent(
        self, faces: list[FaceState], found: Collection[FaceState]
    ) -> tuple[list[Identity], dict[Identity, FaceState]]:
        """People who may turn up anywhere: those not found in their place, with their faces, and those who left."""
        owners = {f.person: f for f in faces if f.person is not None and f not in found and len(f.person.gallery)}
        return [*owners, *(d.person for d in self._departed.values())], owners

    # Those who have one

    def _correct(
        self,
        faces: list[FaceState],
        looks: dict[FaceState, FaceEmbedding],
        found: Collection[FaceState],
        distance: float,
        now_ns: int,
    ) -> set[FaceState]:
        """Learns from clear looks at faces, and puts right faces that are clearly not their person's but another's."""
        wrong = []
        for face, look in looks.items():
            own = face.person.distance(look.descriptor[None])
            if look.clear and (own < STRANGER or len(face.person.gallery) < _LOOKS):
                face.person.learn(look.descriptor)
            elif look.clear and face.followed:
                wrong.append(face)
                face.unsure = True  # until it is put right, look again
        gone: set[FaceState] = set()
        for face in wrong:
            absent, owners = self._absent([f for f in faces if f not in gone], found)
            elsewhere = [f for f in wrong if f is not face]
            people = [*absent, *(f.person for f in elsewhere)]
            seen = looks[face].descriptor[None]
            if face.person.distance(seen) < STRANGER:
                continue  # put right by an exchange
            best = min(people, key=lambda person: person.distance(seen), default=None)
            if best is None or best.distance(seen) >= distance:
                continue
            other = next((f for f in elsewhere if f.person is best), None)
            former, face.person, face.unsure = face.person, best, False
            self._departed.pop(best.track_id, None)
            best.learn(looks[face].descriptor)
            if other is not None:
                other.person, other.unsure = former, False
            else:
                self._departed[former.track_id] = _Departed(former, now_ns)
                gone |= {owners[best]} if best in owners else set()
        return gone
