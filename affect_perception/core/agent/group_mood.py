"""Mood of the group over time: low or falling valence, and shared laughter, with hysteresis."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from affect_perception.core.agent.person_state import PersonState
from affect_perception.settings import AgentSettings

_PRESENT_S = 1.0  # time constant of the present valence
_USUAL_S = 20.0  # time constant of the usual valence


@dataclass(frozen=True)
class Mood:
    """Mood of the group. `valence` (present) and `usual` are smoothed, NaN if unknown; `low_ns` is the start of a low.

    `soothed_s` and `amplified_s`: how long the agent has soothed the present low or amplified the shared laugh.
    """

    valence: float = math.nan
    usual: float = math.nan
    low_ns: int | None = None
    low: bool = False
    soothed_s: float = 0.0
    shared: bool = False
    amplified_s: float = 0.0


def updated_mood(
    mood: Mood, valence: float, present: Collection[PersonState], stamp_ns: int, dt_s: float, settings: AgentSettings
) -> Mood:
    """Update the mood with one image, in which the group has `valence` (NaN: unknown), `dt_s` after the last."""
    if not present:
        return Mood()
    laughing = sum(person.laughing for person in present)
    shared = laughing >= 2 and 2 * laughing >= len(present)
    mood = replace(mood, shared=shared, amplified_s=mood.amplified_s if shared else 0.0)
    if not math.isfinite(valence):
        return mood
    now, usual = _smoothed(mood.valence, valence, dt_s / _PRESENT_S), _smoothed(mood.usual, valence, dt_s / _USUAL_S)
    fall = usual - now
    if now < settings.soothe_on or fall > settings.soothe_drop:
        since = stamp_ns if mood.low_ns is None else mood.low_ns
        low = mood.low or (stamp_ns - since) * 1e-9 >= settings.soothe_confirm_s
    else:
        since = None
        low = mood.low and (now < max(settings.soothe_off, settings.soothe_on) or fall > settings.soothe_drop / 2)
    soothed_s = mood.soothed_s if low else 0.0
    return replace(mood, valence=now, usual=usual, low_ns=since, low=low, soothed_s=soothed_s)


def _smoothed(old: float, new: float, share: float) -> float:
    return new if math.isnan(old) else old + (new - old) * (1 - math.exp(-share))
