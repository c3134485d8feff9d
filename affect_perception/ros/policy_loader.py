"""Finds the class that decides what the agent does, and runs it so that its mistakes end nothing."""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from affect_perception.core.agent.policy import Behaviour, Policy
from affect_perception.core.agent.social_policy import SocialPolicy
from affect_perception.errors import ConfigError
from affect_perception.settings import AgentSettings
from affect_perception.types import Affect


def find_policy(text: str) -> Callable[[AgentSettings], Policy]:
    """The class named as `module:Class` or `file.py:Class`; ConfigError says what cannot be found or used."""
    place, _, name = text.rpartition(':')
    if not place or not name:
        raise ConfigError(f'policy = {text!r} names no class; wanted module:Class or file.py:Class')
    try:
        module = _from_file(Path(place)) if place.endswith('.py') else importlib.import_module(place)
    except Exception as error:  # whatever a user's module does when it is imported
        raise ConfigError(f'policy = {text!r}: cannot import {place} ({type(error).__name__}: {error})') from error
    found = getattr(module, name, None)
    if found is None:
        classes = sorted(n for n, o in vars(module).items() if isinstance(o, type) and o.__module__ == module.__name__)
        raise ConfigError(f'policy = {text!r}: no class {name} in {place}; it has: {", ".join(classes) or "none"}')
    if not callable(getattr(found, 'decide', None)):
        raise ConfigError(f'policy = {text!r}: {name} has no method decide(state, people, stamp_ns); see docs/agent.md')
    return found


def _from_file(path: Path):
    if not path.is_file():
        raise FileNotFoundError(f'there is no file {path.absolute()}')
    spec = importlib.util.spec_from_file_location(f'affect_perception_policy_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class Decider:
    """Runs a policy and keeps its state. When the policy raises, or returns nonsense, the default takes over for good.

    `on_failure` is told once, in words, which stay in `failure`. Raises ConfigError when the class cannot be used.
    """

    def __init__(self, settings: AgentSettings, on_failure: Callable[[str], None]):
        self.name = settings.policy
        self.failure = ''
        self._on_failure = on_failure
        self._class = find_policy(settings.policy)
        self._state: Any = None
        try:
            self._policy = self._class(settings)
        except Exception as error:
            raise ConfigError(f'policy = {self.name!r} cannot be made: {type(error).__name__}: {error}') from error
        self._settings = settings

    def change(self, settings: AgentSettings) -> None:
        """Goes on under other settings with what is remembered."""
        self._settings = settings
        try:
            self._policy = self._class(settings)
        except Exception as error:
            self._give_up(error)

    def decide(self, people: Sequence[Affect], stamp_ns: int) -> Behaviour:
        try:
            self._state, behaviour = self._policy.decide(self._state, people, stamp_ns)
            return checked(behaviour)
        except Exception as error:
            if self._class is SocialPolicy:  # ours: no better one is left
                self._state = None
                raise
            self._give_up(error)
        return self.decide(people, stamp_ns)

    def _give_up(self, error: Exception) -> None:
        self.failure = f'policy {self.name} raised {type(error).__name__}: {error}; the default policy took over'
        self._class, self._state = SocialPolicy, None
        self._policy = SocialPolicy(self._settings)
        self._on_failure(self.failure)


def checked(behaviour: Any) -> Behaviour:
    """`behaviour` if a message can be made of it; TypeError or ValueError else."""
    if not isinstance(behaviour, Behaviour):
        raise TypeError(f'decide returned {type(behaviour).__name__} as its second value; wanted Behaviour')
    if not (isinstance(behaviour.action, str) and behaviour.action and isinstance(behaviour.reason, str)):
        raise TypeError(f'action {behaviour.action!r} and reason {behaviour.reason!r} must be text, action not empty')
    target = behaviour.target_track_id
    if isinstance(target, bool) or not isinstance(target, int) or not -1 <= target < 2**32:
        raise ValueError(f'target_track_id {target!r} is no track id; wanted a whole number, -1 for nobody')
    if not (math.isfinite(behaviour.strength) and 0 <= behaviour.strength <= 1):
        raise ValueError(f'strength {behaviour.strength!r} is out of range; allowed: 0 to 1')
    return behaviour
