"""Scripts of the people in a scene: key poses and smiles as frozen data, and three choreographies.

Positions are shares of the canvas, so that a script fits every size. A script repeats after `period_s`; poses are eased
between two key poses (a person stands still at each), and every person sways a little, in whole cycles per period.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.sources.scene.speech import SpeechEvent

MOVE_S = 2.6  # duration of a walk to another position
AWAY = -1  # in place of the index of a standing position: outside the image


@dataclass(frozen=True)
class KeyPose:
    """A pose at a time. (x, y): centre of the face box, share of canvas width and height; size: share of its height."""

    t_s: float
    x: float
    y: float
    size: float
    yaw_deg: float = 0.0  # positive: towards the right of the image
    tilt_deg: float = 0.0  # positive: clockwise
    pitch_deg: float = 0.0  # positive: downwards


@dataclass(frozen=True)
class SmileEvent:
    """A smile: rises from `start_s` in `rise_s`, holds `apex` in [0, 1] for `hold_s`, falls in `fall_s`; eased."""

    start_s: float
    rise_s: float = 0.8
    hold_s: float = 2.0
    fall_s: float = 1.2
    apex: float = 1.0

    def at(self, since_s: float) -> float:
        """Intensity in [0, 1] at a time in s since `start_s`."""
        falling = (since_s - self.rise_s - self.hold_s) / self.fall_s
        return self.apex * (ease(since_s / self.rise_s) - ease(falling))


@dataclass(frozen=True)
class ScriptedPerson:
    """One person: key poses in order of time, smiles, `depth` (larger is nearer and occludes others), speech."""

    person_id: int
    keys: tuple[KeyPose, ...]
    smiles: tuple[SmileEvent, ...] = ()
    depth: float = 0.0
    sway: float = 0.02  # in face boxes
    speech: tuple[SpeechEvent, ...] = ()


@dataclass(frozen=True)
class Script:
    """All people of a scene. Raises ConfigError for keys that are missing, unordered or outside the period."""

    people: tuple[ScriptedPerson, ...]
    period_s: float

    def __post_init__(self) -> None:
        for person in self.people:
            times = [key.t_s for key in person.keys]
            if not times or times != sorted(times) or not 0 <= times[0] <= times[-1] < self.period_s:
                raise ConfigError(
                    f'person {person.person_id} has keys at {times} s; wanted rising times in 0 to {self.period_s} s'
                )

    def pose(self, person: ScriptedPerson, time_s: float) -> KeyPose:
        """Eased pose at any time from 0 on; `t_s` of the result is the time within the period."""
        t = time_s % self.period_s
        keys = person.keys
        after = next((i for i, key in enumerate(keys) if key.t_s > t), len(keys))
        before, following = keys[after - 1], keys[after % len(keys)]
        span = (following.t_s - before.t_s) % self.period_s or self.period_s
        share = ease(((t - before.t_s) % self.period_s) / span)
        x, y, size, yaw, tilt, pitch = (
            a + share * (b - a) for a, b in zip(_values(before), _values(following), strict=True)
        )
        turn = 2 * math.pi * t / self.period_s
        sway, phase = person.sway * size, 1.7 * person.person_id
        x += sway * math.sin(turn * 7 + phase)
        y += sway * math.sin(turn * 11 + 2 * phase)
        return KeyPose(t, x, y, size, yaw, tilt + 40 * person.sway * math.sin(turn * 5 + phase), pitch)

    def smile(self, person: ScriptedPerson, time_s: float) -> float:
        """Smile intensity in [0, 1] at any time from 0 on; the strongest of overlapping smiles."""
        return max((cue.at((time_s - cue.start_s) % self.period_s) for cue in person.smiles), default=0.0)

    def speaks(self, person: ScriptedPerson, time_s: float) -> bool:
        """Whether an event of speech or laughter of the person lasts at that time."""
        return any((time_s - cue.start_s) % self.period_s < cue.duration_s for cue in person.speech)

    def mouth(self, person: ScriptedPerson, time_s: float) -> float:
        """Opening of the speaking mouth in [0, 1] at any time from 0 on."""
        return max((cue.mouth((time_s - cue.start_s) % self.period_s) for cue in person.speech), default=0.0)


def _values(key: KeyPose) -> tuple[float, ...]:
    return key.x, key.y, key.size, key.yaw_deg, key.tilt_deg, key.pitch_deg


def ease(share: float) -> float:
    """Smoothstep: 0 to 1 with zero slope at both ends, constant outside."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


@dataclass(frozen=True)
class StandingPosition:
    """Place at which a person can stand: centre and size of the face, and row (0 is at the back)."""

    x: float
    y: float
    size: float
    row: int


def standing_positions(people: int, aspect: float) -> tuple[StandingPosition, ...]:
    """Arrange `people` in staggered rows so that no face is occluded. `aspect` is width / height of the canvas."""
    if people == 0:
        return ()
    rows = next(n for n in range(1, people + 1) if people <= n * max(2, math.floor(2.8 * aspect * n)))
    columns = math.ceil(people / rows)
    size = min(0.2, 0.56 * aspect / columns, 0.4 / rows)
    places = []
    for row in range(rows):
        here = people * (row + 1) // rows - people * row // rows
        y = 0.69 if rows == 1 else 0.12 + size * 0.8 + (0.76 - size) * row / (rows - 1)
        shift = 0.0 if rows == 1 else (0.5 if row % 2 else -0.5) * 0.4 / columns
        places += [StandingPosition((i + 0.5) / here + shift, y, size, row) for i in range(here)]
    return tuple(places)


def default_script(people: int, aspect: float = 16 / 9, seed: int = 0) -> Script:
    """Script of 40 s: people look around and smile, two change places, one leaves and returns."""
    return _choreograph(
        people, aspect, seed, ('rest', 'swap', 'rest', 'leave', 'rest', 'return', 'rest', 'home'), beat_s=5.0
    )


def steady_script(people: int, aspect: float = 16 / 9, seed: int = 0) -> Script:
    """Script with all `people` always visible; they sway, turn their heads and smile. Expect one id per person."""
    return _choreograph(people, aspect, seed, ('rest',) * 8, beat_s=5.0)


def busy_script(people: int = 8, aspect: float = 16 / 9, seed: int = 0, beats: int = 15) -> Script:
    """Script in which people cross, occlude each other, leave and return all the time, in `beats` of 3 s."""
    rng = np.random.default_rng((seed, 1))
    return _choreograph(
        people,
        aspect,
        seed,
        ('swap', 'leave', *rng.choice(['swap', 'swap', 'leave', 'return'], beats - 4), 'return', 'home'),
        3.0,
    )


def _choreograph(people: int, aspect: float, seed: int, events: tuple[str, ...], beat_s: float) -> Script:
    """Build a script of one event per beat: `swap` two neighbours, one `leave`s, all `return`, all `home`, `rest`."""
    rng = np.random.default_rng(seed)
    places = standing_positions(people, aspect)
    at = list(range(people))  # index of the standing position per person
    keys: list[list[KeyPose]] = [[] for _ in range(people)]
    depth = (rng.permutation(people) / max(people, 1)).tolist()
    for beat, event in enumerate(events):
        before = list(at)
        _apply_event(event, at, rng)
        for person in range(people):
            start = beat * beat_s + rng.uniform(0.0, 0.3)
            old, new = (_pose(places, place, person, aspect) for place in (before[person], at[person]))
            keys[person].append(replace(keys[person][-1] if keys[person] else old, t_s=start))
            if at[person] != AWAY:
                arrival = _look_around(new, rng)
            elif before[person] != AWAY:
                arrival = _pose(places, AWAY, before[person], aspect)
            else:  # waits outside, where the person left, and returns from there
                arrival = keys[person][-1]
            keys[person].append(replace(arrival, t_s=start + min(MOVE_S, beat_s - 0.4)))
    cast = []
    period_s = beat_s * len(events)
    for person in range(people):
        smiles, t = [], rng.uniform(0, 3)
        while t < period_s - 4:
            smiles.append(
                SmileEvent(
                    t,
                    rng.uniform(0.5, 1),
                    rng.uniform(1, 2.5),
                    rng.uniform(0.8, 1.4),
                    float(rng.choice([1.0, 1.0, 0.7, 0.45])),
                )
            )
            t += rng.uniform(6, 10)
        row = places[person].row
        cast.append(ScriptedPerson(person, tuple(keys[person]), tuple(smiles), row + depth[person]))
    return Script(tuple(cast), period_s)


def _apply_event(event: str, at: list[int], rng: np.random.Generator) -> None:
    """Apply one event to `at`, the standing position of each person."""
    present = [person for person, index in enumerate(at) if index != AWAY]
    if event == 'swap' and len(present) >= 2:
        first = int(rng.choice(present))
        second = min((p for p in present if p != first), key=lambda p: abs(at[p] - at[first]))
        at[first], at[second] = at[second], at[first]
    elif event == 'leave' and len(present) >= 2:
        at[max(present, key=lambda p: abs(at[p] - (len(at) - 1) / 2))] = AWAY
    elif event == 'return':
        free = sorted(set(range(len(at))) - set(at))
        for person in [p for p, index in enumerate(at) if index == AWAY]:
            at[person] = free.pop(0)
    elif event == 'home':
        at[:] = range(len(at))


def _pose(places: tuple[StandingPosition, ...], index: int, side_of: int, aspect: float) -> KeyPose:
    """Pose at a standing position; AWAY is beyond the side of the image that is nearer to position `side_of`."""
    place = places[index if index != AWAY else side_of]
    if index != AWAY:
        return KeyPose(0.0, place.x, place.y, place.size)
    out = 1.7 * place.size / aspect
    return KeyPose(0.0, -out if place.x < 0.5 else 1 + out, place.y, place.size)


def _look_around(key: KeyPose, rng: np.random.Generator) -> KeyPose:
    """Vary position, size and head pose a little."""
    yaw = rng.choice([0.0, 0.0, rng.uniform(-22, 22)])
    return replace(
        key,
        x=key.x + rng.uniform(-0.12, 0.12) * key.size,
        y=key.y + rng.uniform(-0.1, 0.1) * key.size,
        size=key.size * rng.uniform(0.92, 1.08),
        yaw_deg=float(yaw),
        tilt_deg=rng.uniform(-7, 7),
    )
