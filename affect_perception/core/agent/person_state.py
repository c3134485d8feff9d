"""What the agent remembers of people: since when they are there, whether they smile, who had its attention.

Everything is frozen, and time is the stamp of the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from affect_perception.settings import AgentSettings
from affect_perception.types import Affect, Box, SmileLevel

BLINK_S = 0.5  # whoever is missing for less is still thought to be there, as they last looked
_FORGET_ATTENTION_S = 60.0  # time constant with which past attention stops to count
_SAME_PLACE = 1.0  # face sizes from where somebody vanished
_SAME_SIZE = 2.0  # ratio


@dataclass(frozen=True)
class PersonState:
    """One person, in view or not. `smile` is the last intensity that was known; `attended_s` fades with time."""

    track_id: int
    box: Box
    first_ns: int
    seen_ns: int
    smile: float = 0.0
    smile_ns: int = 0
    above_ns: int | None = None  # since when the intensity is high enough for a smile
    above_images: int = 0
    below_ns: int | None = None  # since when it is too low
    smiling: bool = False
    laughing: bool = False
    mirrored_s: float = 0.0  # how long the present smile has been mirrored
    greeted: bool = False
    left: bool = False  # said farewell to
    attended_s: float = 0.0

    def absent_s(self, stamp_ns: int) -> float:
        return (stamp_ns - self.seen_ns) * 1e-9

    def stayed_s(self) -> float:
        return (self.seen_ns - self.first_ns) * 1e-9


def update_people(
    known: Iterable[PersonState], faces: Sequence[Affect], stamp_ns: int, settings: AgentSettings
) -> tuple[dict[int, PersonState], dict[int, int]]:
    """Everybody remembered after the image of `stamp_ns`, by id, and the ids that were replaced: {old: new}.

    A new id where somebody vanished less than `handover_s` ago, of about that size, is that person, whose id failed.
    """
    people = {person.track_id: person for person in known}
    in_view = {face.track_id: face for face in faces}
    least = min((p.attended_s for i, p in people.items() if i in in_view), default=0.0)
    renamed: dict[int, int] = {}
    for track_id, face in in_view.items():
        person = people.get(track_id)
        if person is None:
            gone = [p for i, p in people.items() if i not in in_view and _could_be(p, face, stamp_ns, settings)]
            if gone:
                person = max(gone, key=lambda p: p.seen_ns)
                renamed[person.track_id] = track_id
                del people[person.track_id]
            else:
                person = PersonState(track_id, face.box, stamp_ns, stamp_ns, attended_s=least)
        people[track_id] = _seen(person, face, stamp_ns, settings)
    return {i: p for i, p in people.items() if not _forgotten(p, stamp_ns, settings)}, renamed


def add_attention(person: PersonState, had_attention: bool, mirrored: bool, dt_s: float) -> PersonState:
    """`person` after `dt_s` in which they had the agent's attention, or not."""
    fading = math.exp(-dt_s / _FORGET_ATTENTION_S)
    return replace(
        person,
        attended_s=person.attended_s * fading + (dt_s if had_attention else 0.0),
        mirrored_s=person.mirrored_s + (dt_s if mirrored else 0.0),
    )


def _could_be(person: PersonState, face: Affect, stamp_ns: int, settings: AgentSettings) -> bool:
    size, old = max(face.box.width, 1.0), max(person.box.width, 1.0)
    away = math.dist(face.box.centre, person.box.centre) / max(size, old)
    near = away <= _SAME_PLACE and max(size / old, old / size) <= _SAME_SIZE
    return near and person.absent_s(stamp_ns) < settings.handover_s


def _forgotten(person: PersonState, stamp_ns: int, settings: AgentSettings) -> bool:
    patience = settings.greet_again_s if person.greeted else settings.handover_s
    return person.absent_s(stamp_ns) > max(patience, settings.farewell_after_s)


def _seen(person: PersonState, face: Affect, stamp_ns: int, settings: AgentSettings) -> PersonState:
    """`person` as `face` shows them. Smiles begin and end with hysteresis: neither a single image nor a value between
    the two thresholds changes one."""
    first, smiling = person.first_ns, person.smiling
    above, images, below = person.above_ns, person.above_images, person.below_ns
    if person.absent_s(stamp_ns) > settings.farewell_after_s:
        first, smiling, above, images = stamp_ns, False, None, 0
    value, value_ns = person.smile, person.smile_ns
    known = math.isfinite(face.smile_intensity) and face.smile_level != SmileLevel.UNKNOWN
    if known:
        value, value_ns = face.smile_intensity, stamp_ns
    elif (stamp_ns - value_ns) * 1e-9 > BLINK_S:
        value = 0.0
    if value >= settings.smile_on:
        above, images, below = (stamp_ns if above is None else above), images + known, None
        smiling = smiling or (images >= 2 and (stamp_ns - above) * 1e-9 >= settings.smile_confirm_s)
    else:
        above, images = None, 0
        if value >= min(settings.smile_off, settings.smile_on):
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
        laughing=smiling and value >= laugh,
        mirrored_s=person.mirrored_s if smiling and person.smiling else 0.0,
        left=False,
    )
