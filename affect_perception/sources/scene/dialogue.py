"""Turns of speech for the people of a scene: one speaks at a time, with pauses, and laughs at the height of a smile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from affect_perception.settings import SourceSettings
from affect_perception.sources.scene import espeak
from affect_perception.sources.scene.script import Script, ScriptedPerson, default_script
from affect_perception.sources.scene.speech import SpeechEvent

_PITCHES_HZ = (118.0, 205.0, 132.0, 185.0)  # of consecutive people


def dialogue(script: Script, seed: int = 0, speakers: tuple[int, ...] | None = None, words: bool = False) -> Script:
    """Copy of a script whose people speak in turns of 2 to 4 s with pauses of 0.8 to 2 s; nobody speaks with a smile.

    `speakers`: ids of those who speak, all by default. Everybody's smiles with an apex of at least 0.9 become laughs
    while nobody else speaks. `words`: they say words by espeak-ng, in place of vowels.
    """
    rng = np.random.default_rng((seed, 8))
    talkers = [p.person_id for p in script.people if speakers is None or p.person_id in speakers]
    speech: dict[int, list[SpeechEvent]] = {person.person_id: [] for person in script.people}
    taken: list[tuple[float, float]] = []
    for person in script.people:
        for smile in person.smiles:
            start, end = smile.start_s + smile.rise_s, smile.start_s + smile.rise_s + smile.hold_s
            free = all(end < a or start > b for a, b in taken)
            if smile.apex >= 0.9 and free and end - start >= 1 and person.person_id in talkers and rng.random() < 0.5:
                speech[person.person_id].append(_event(start, end - start, person, rng, laugh=True))
                taken.append((start - 0.6, end + 0.6))
    t = float(rng.uniform(0.5, 1.5))
    while talkers and t < script.period_s - 3:
        length = float(rng.uniform(2, 4))
        people = [p for p in script.people if p.person_id in talkers and not _smiles(p, t, t + length)]
        if people and all(t + length < a or t > b for a, b in taken):
            person = people[int(rng.integers(len(people)))]
            speech[person.person_id].append(_event(t, length, person, rng))
            t += length + float(rng.uniform(0.8, 2.0))
        else:
            t += 0.5
    cast = []
    for person in script.people:
        turns = sorted(speech[person.person_id], key=lambda e: e.start_s)
        cast.append(replace(person, speech=tuple(replace(turn, words=words) for turn in turns)))
    return replace(script, people=tuple(cast))


def speaking_script(settings: SourceSettings) -> Script:
    """Script of the scene of these settings, with speech; ConfigError for `espeak-ng` where it is not installed."""
    words = settings.scene_voice == espeak.PROGRAM
    if words:
        espeak.check()
    script = default_script(settings.scene_people, settings.width / settings.height, settings.scene_seed)
    return dialogue(script, settings.scene_seed, words=words)


def _event(
    start: float, length: float, person: ScriptedPerson, rng: np.random.Generator, laugh: bool = False
) -> SpeechEvent:
    pitch = _PITCHES_HZ[person.person_id % len(_PITCHES_HZ)]
    return SpeechEvent(start, length, int(rng.integers(2**31)), pitch, laugh)


def _smiles(person: ScriptedPerson, begin: float, end: float) -> bool:
    return any(begin < s.start_s + s.rise_s + s.hold_s + s.fall_s and s.start_s < end for s in person.smiles)
