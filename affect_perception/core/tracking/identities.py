"""Identity assignment: new ids, re-identification of people who return, correction of ids swapped at a crossing.

A new face that may be a known person gets no id for up to `NEW_ID_DELAY_S`, until an embedding decides; hence an id is
never withdrawn for having been a guess. An id changes only when a reliable embedding says that the face is surely not
the person of its id but surely another one (the tracker slid from one to the other), and then to the right one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from affect_perception.core.tracking.association import assign
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.reidentification import OTHER_PERSON, FaceEmbedding, Identity

NEW_ID_DELAY_S = 0.4  # time in which a new face may be recognised by a better embedding
# Reliable embeddings until a face is surely new, or a person known well enough to exclude: a person who enters beside
# another one is often covered in a way that only the embedding shows.
_MIN_EMBEDDINGS = 2


@dataclass(frozen=True, eq=False)
class _Departed:
    identity: Identity
    left_ns: int


class IdentityRegistry:
    """Assigns identities to faces and keeps those of people who left, for a limited time.

    A visible person's `Identity` is held by the face. Ids are never used again for another person, even after `clear`.
    """

    def __init__(self) -> None:
        self._next_id = 1
        self._departed: dict[int, _Departed] = {}

    @property
    def departed_ids(self) -> tuple[int, ...]:
        """Ids of the people who left and can be re-identified."""
        return tuple(self._departed)

    def clear(self) -> None:
        """Delete the identities of all people who left."""
        self._departed.clear()

    def expire(self, now_ns: int, memory_s: float) -> None:
        """Delete the identities of people who left more than `memory_s` ago."""
        self._departed = {i: d for i, d in self._departed.items() if now_ns - d.left_ns <= memory_s * 1e9}

    def depart(self, face: FaceState, now_ns: int) -> None:
        """Keep the identity of a face that is no longer tracked, if there are embeddings to recognise it by."""
        identity = face.identity
        if identity is not None and len(identity.gallery) and face.hits > 1:
            self._departed[identity.track_id] = _Departed(identity, now_ns)

    def assign(self, face: FaceState, identity: Identity | None = None) -> None:
        """Assign an identity to a face, a new one by default; the embeddings of the face join the gallery."""
        if identity is None:
            identity = Identity(self._next_id)
            self._next_id += 1
        for embedding in face.embeddings:
            if embedding.reliable:
                identity.add(embedding.vector)
        face.identity, face.embeddings = identity, []

    def assign_new(self, faces: Sequence[FaceState]) -> None:
        """Assign a new identity to each of the faces without one."""
        for face in faces:
            if face.identity is None:
                self.assign(face)

    def assign_overdue(self, faces: Sequence[FaceState], now_ns: int) -> None:
        """Assign a new identity to each tracked face that has been without one for `NEW_ID_DELAY_S`."""
        self.assign_new([f for f in faces if f.tracked and now_ns - f.created_ns >= NEW_ID_DELAY_S * 1e9])

    def update(
        self,
        faces: list[FaceState],
        detected: Collection[FaceState],
        embeddings: dict[FaceState, FaceEmbedding],
        max_distance: float,
        now_ns: int,
    ) -> list[FaceState]:
        """Update identities from new embeddings; returns the faces minus duplicates of a re-identified person.

        `detected`: the faces of the current detection result. `max_distance`: embeddings nearer than this are of one
        person.
        """
        for face, embedding in embeddings.items():
            face.embedded_ns, face.identity_uncertain = now_ns, False
            if face.identity is None:
                face.embeddings.append(embedding)
        removed = self._correct_swaps(faces, embeddings, detected, max_distance, now_ns)
        faces = [f for f in faces if f not in removed]
        removed = self._reidentify([f for f in faces if f.identity is None], faces, detected, max_distance)
        return [f for f in faces if f not in removed]

    # Faces without an identity

    def _reidentify(
        self, new: list[FaceState], faces: list[FaceState], detected: Collection[FaceState], max_distance: float
    ) -> set[FaceState]:
        """Assign identities to new faces of known people, and to those that are surely unknown; the others wait.

        Returns the former faces of the people found elsewhere.
        """
        if not new:
            return set()
        absent, owners = self._absent(faces, detected)
        present = [f.identity for f in faces if f.identity is not None and f.identity not in absent]
        cost = np.full((len(new), len(absent)), np.inf)
        for i, face in enumerate(new):
            vectors = np.array([embedding.vector for embedding in face.embeddings])
            cost[i] = [identity.distance(vectors) for identity in absent]
            nearest_present = min((identity.distance(vectors) for identity in present), default=np.inf)
            cost[i][cost[i] > nearest_present] = np.inf  # nearer to a person in view: surely not an absent one
        removed, assigned = set(), set()
        for i, k in assign(np.where(cost < max_distance, cost, np.inf)):
            self.assign(new[i], absent[k])
            self._departed.pop(absent[k].track_id, None)
            assigned.add(i)
            if absent[k] in owners:
                removed.add(owners[absent[k]])
        for i, face in enumerate(new):
            count = sum(embedding.reliable for embedding in face.embeddings)
            unknown = count >= _MIN_EMBEDDINGS and cost[i].min(initial=np.inf) > (max_distance + OTHER_PERSON) / 2
            if i not in assigned and (unknown or not absent):
                self.assign(face)
        return removed

    def _absent(
        self, faces: list[FaceState], detected: Collection[FaceState]
    ) -> tuple[list[Identity], dict[Identity, FaceState]]:
        """Identities that may appear anywhere: of faces not detected in their place, with these faces, and departed."""
        owners = {
            f.identity: f for f in faces if f.identity is not None and f not in detected and len(f.identity.gallery)
        }
        return [*owners, *(d.identity for d in self._departed.values())], owners

    # Faces with an identity

    def _correct_swaps(
        self,
        faces: list[FaceState],
        embeddings: dict[FaceState, FaceEmbedding],
        detected: Collection[FaceState],
        max_distance: float,
        now_ns: int,
    ) -> set[FaceState]:
        """Extend galleries by reliable embeddings, and re-assign faces that are surely another person.

        Returns the former faces of the people found elsewhere.
        """
        wrong = self._contradicted(embeddings)
        removed: set[FaceState] = set()
        for face in wrong:
            former, vector = face.identity, embeddings[face].vector
            if former is None or former.distance(vector[None]) < OTHER_PERSON:
                continue  # corrected already, by an exchange
            absent, owners = self._absent([f for f in faces if f not in removed], detected)
            others = {f.identity: f for f in wrong if f is not face and f.identity is not None}
            best = min([*absent, *others], key=lambda identity: identity.distance(vector[None]), default=None)
            if best is None or best.distance(vector[None]) >= max_distance:
                continue
            face.identity, face.identity_uncertain = best, False
            self._departed.pop(best.track_id, None)
            best.add(vector)
            if best in others:
                others[best].identity, others[best].identity_uncertain = former, False
            else:
                self._departed[former.track_id] = _Departed(former, now_ns)
                removed |= {owners[best]} if best in owners else set()
        return removed

    def _contradicted(self, embeddings: dict[FaceState, FaceEmbedding]) -> list[FaceState]:
        """Add reliable embeddings to galleries; returns the tracked faces that are surely another person."""
        wrong = []
        for face, embedding in embeddings.items():
            identity = face.identity
            if identity is None or not embedding.reliable:
                continue
            if identity.distance(embedding.vector[None]) < OTHER_PERSON or len(identity.gallery) < _MIN_EMBEDDINGS:
                identity.add(embedding.vector)
            elif face.tracked:
                wrong.append(face)
                face.identity_uncertain = True  # embed again until corrected
        return wrong
