"""State of each person for the agent: presence, smile with hysteresis, attention received.

States are frozen; time is the stamp of the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from affect_perception.settings import AgentSettings
from affect_perception.types import Affect, Box, SmileLevel

GAP_S = 0.5  # a person missing for less is still present, with the last known smile
MAX_ABSENCE_S = 10.0  # after which the network counts the frames of a track anew (inference/track_state.py)
_ATTENTION_DECAY_S = 60.0  # time constant of past attention
_MAX_DISTANCE = 1.0  # face sizes, between a lost person and the new track that inherits the state
SPEAKS, SILENT = 0.5, 0.3  # speaking from which a person speaks, and below which no longer
_MAX_SCALE = 2.0  # ratio of their face sizes


@dataclass(frozen=True)
class PersonState:
    """State of one person, in view or not. `smile` is the last known intensity; `attended_s` decays with time."""

    track_id: int
    box: Box
    first_ns: int
    seen_ns: int
    smile: float = 0.0
    smile_ns: int = 0
    above_ns: int | None = None  # since when the intensity has been above smile_on
    above_images: int = 0
    below_ns: int | None = None  # since when the intensity has been below smile_off
    smiling: bool = False
    laughing: bool = False
    mirrored_s: float = 0.0  # how long the present smile has been mirrored
    greeted: bool = False
    left: bool = False  # farewell given
    attended_s: float = 0.0
    speaking: bool = False
    evidence_frames: int = 0  # of the last result

    def absent_s(self, stamp_ns: int) -> float:
        """Time in seconds since the person was last in view."""
        return (stamp_ns - self.seen_ns) * 1e-9

    def stayed_s(self) -> float:
        """Time in seconds from the first to the last image of the present visit."""
        return (self.seen_ns - self.first_ns) * 1e-9


def update_people(
    known: Iterable[PersonState], faces: Sequence[Affect], stamp_ns: int, settings: AgentSettings
) -> tuple[dict[int, PersonState], dict[int, int]]:
    """Update all person states with one frame. Returns (states by track id, {old id: new id}).

    A new track near a recently lost one of similar size (`handover_s`) inherits its state.
    """
    people = {person.track_id: person for person in known}
    in_view = {face.track_id: face for face in faces}
    least = min((p.attended_s for i, p in people.items() if i in in_view), default=0.0)
    renamed: dict[int, int] = {}
    for track_id, face in in_view.items():
        person = people.get(track_id)
        if person is not None and _is_stranger(face, person, stamp_ns):
            del people[track_id]
            person = PersonState(track_id, face.box, stamp_ns, stamp_ns, attended_s=least)
        if person is None:
            lost = [p for i, p in people.items() if i not in in_view and _inherits(face, p, stamp_ns, settings)]
            if lost:
                person = max(lost, key=lambda p: p.seen_ns)
                renamed[person.track_id] = track_id
                del people[person.track_id]
            else:
                person = PersonState(track_id, face.box, stamp_ns, stamp_ns, attended_s=least)
        people[track_id] = _updated(person, face, stamp_ns, settings)
    return {i: p for i, p in people.items() if not _expired(p, stamp_ns, settings)}, renamed


def _is_stranger(face: Affect, person: PersonState, stamp_ns: int) -> bool:
    """Whether another person has got this id: the count of frames of a track falls when a tracker starts again.

    (It falls for the same person, too, after an absence of MAX_ABSENCE_S.)
    """
    return face.evidence_frames < person.evidence_frames and person.absent_s(stamp_ns) < MAX_ABSENCE_S


def add_attention(person: PersonState, had_attention: bool, mirrored: bool, dt_s: float) -> PersonState:
    """Add `dt_s` of attention to a person, or let the attention received decay."""
    decay = math.exp(-dt_s / _ATTENTION_DECAY_S)
    return replace(
        person,
        attended_s=person.attended_s * decay + (dt_s if had_attention else 0.0),
        mirrored_s=person.mirrored_s + (dt_s if mirrored else 0.0),
    )


def _inherits(face: Affect, person: PersonState, stamp_ns: int, settings: AgentSettings) -> bool:
    size, old = max(face.box.width, 1.0), max(person.box.width, 1.0)
    away = math.dist(face.box.centre, person.box.centre) / max(size, old)
    near = away <= _MAX_DISTANCE and max(size / old, old / size) <= _MAX_SCALE
    return near and person.absent_s(stamp_ns) < settings.handover_s


def _expired(person: PersonState, stamp_ns: int, settings: AgentSettings) -> bool:
    patience = settings.greet_again_s if person.greeted else settings.handover_s
    return person.absent_s(stamp_ns) > max(patience, settings.farewell_after_s)


def _updated(person: PersonState, face: Affect, stamp_ns: int, settings: AgentSettings) -> PersonState:
    """Update a person in view. Smiles begin and end with hysteresis: neither one image nor a value between the two
    thresholds changes the state."""
    first, smiling = person.first_ns, person.smiling
    above, images, below = person.above_ns, person.above_images, person.below_ns
    if person.absent_s(stamp_ns) > settings.farewell_after_s:
        first, smiling, above, images = stamp_ns, False, None, 0
    value, value_ns = person.smile, person.smile_ns
    known = math.isfinite(face.smile_intensity) and face.smile_level != SmileLevel.UNKNOWN
    if known:
        value, value_ns = face.smile_intensity, stamp_ns
    elif (stamp_ns - value_ns) * 1e-9 > GAP_S:
        value = 0.0
    speaking = face.speaking >= (SILENT if person.speaking else SPEAKS)  # false for NaN: without sound
    laughter = face.laughter >= SPEAKS
    # Speech opens the mouth and draws its corners: a smile begins during speech only if it would be a laugh's.
    smile_on = settings.laugh_on if speaking and not laughter and not smiling else settings.smile_on
    if value >= smile_on:
        above, images, below = (stamp_ns if above is None else above), images + known, None
        smiling = smiling or (images >= 2 and (stamp_ns - above) * 1e-9 >= settings.smile_confirm_s)
    else:
        above, images = None, 0
        if value >= min(settings.smile_off, smile_on):
            below = None
        else:
            below = stamp_ns if below is None else below
            smiling = smiling and (stamp_ns - below) * 1e-9 < settings.smile_release_s
    laugh = min(settings.laugh_off, settings.laugh_on) if person.laughing else settings.laugh_on
    return replace(
        person,
        track_id=face.track_id,
        box=face.box,
        first_ns=first,
        seen_ns=stamp_ns,
        smile=value,
        smile_ns=value_ns,
        above_ns=above,
        above_images=images,
        below_ns=below,
        smiling=smiling,
        laughing=smiling and value >= laugh and (laughter or not math.isfinite(face.speaking)),
        speaking=speaking,
        mirrored_s=person.mirrored_s if smiling and person.smiling else 0.0,
        left=False,
        evidence_frames=face.evidence_frames,
    )
