"""Behaviours of an agent, and the protocol of policies that choose them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from affect_perception.settings import AgentSettings
from affect_perception.types import Affect

NOBODY = -1  # target of a behaviour that is meant for nobody in particular

IDLE = 'idle'
ATTEND = 'attend'
FAREWELL = 'farewell'
SOOTHE = 'soothe'
GREET = 'greet'
MIRROR = 'mirror_smile'
AMPLIFY = 'amplify_smile'


@dataclass(frozen=True)
class Behaviour:
    """Behaviour of the agent: action, target track id, strength in [0, 1], and the reason in words."""

    action: str
    target_track_id: int = NOBODY
    strength: float = 0.0
    reason: str = ''

    @property
    def key(self) -> tuple[str, int]:
        """Identity of a behaviour: equal keys are one behaviour that continues."""
        return self.action, self.target_track_id


class Policy(Protocol):
    """Chooses behaviours. Made as `Class(settings)`, and made again when a setting changes: memory must be in the state
    that `decide` returns, an object of any type.
    """

    def __init__(self, settings: AgentSettings) -> None: ...

    def decide(self, state: Any, people: Sequence[Affect], stamp_ns: int) -> tuple[Any, Behaviour]:
        """New state and behaviour for `people`, all faces in the image at `stamp_ns`.

        `state` is None at first. Stamps may go back (a recording that restarts); values may be NaN.
        """
        ...
