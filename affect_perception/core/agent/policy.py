"""What an agent does, and what a class must have that decides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from affect_perception.settings import AgentSettings
from affect_perception.types import Affect

NOBODY = -1  # target of what is meant for nobody in particular

IDLE = 'idle'
ATTEND = 'attend'
FAREWELL = 'farewell'
SOOTHE = 'soothe'
GREET = 'greet'
MIRROR = 'mirror_smile'
AMPLIFY = 'amplify_smile'


@dataclass(frozen=True)
class Behaviour:
    """One thing to do: `strength` in [0, 1]; `reason` in words, for people who ask why."""

    action: str
    target_track_id: int = NOBODY
    strength: float = 0.0
    reason: str = ''

    @property
    def key(self) -> tuple[str, int]:
        """Two behaviours of one key are the same one, going on."""
        return self.action, self.target_track_id


class Policy(Protocol):
    """Decides what to do. Made as `Class(settings)`, and made anew when a setting changes: what it remembers is in
    the state that it hands back, any object it likes.
    """

    def __init__(self, settings: AgentSettings): ...

    def decide(self, state: Any, people: Sequence[Affect], stamp_ns: int) -> tuple[Any, Behaviour]:
        """The new state and the behaviour for `people`, all in view in the image of `stamp_ns`.

        `state` is None at first. Stamps may go back (a recording that begins again); values may be NaN.
        """
        ...
