"""Loading of policy classes by name, and a runner that replaces a failing policy by the default one."""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from affect_perception.core.agent.policy import Behaviour, Policy
from affect_perception.core.agent.social_policy import SocialPolicy
from affect_perception.errors import ConfigError
from affect_perception.settings import AgentSettings
from affect_perception.types import Affect


def find_policy(text: str) -> Callable[[AgentSettings], Policy]:
    """Import the class named as `module:Class` or `file.py:Class`; ConfigError if it cannot be found or used."""
    place, _, name = text.rpartition(':')
    if not place or not name:
        raise ConfigError(f'policy = {text!r} names no class; wanted module:Class or file.py:Class')
    try:
        module = _from_file(Path(place)) if place.endswith('.py') else importlib.import_module(place)
    except Exception as error:  # a user's module may raise anything when it is imported
        raise ConfigError(f'policy = {text!r}: cannot import {place} ({type(error).__name__}: {error})') from error
    found = getattr(module, name, None)
    if found is None:
        classes = sorted(name for name, thing in vars(module).items() if _is_class_of(module, thing))
        raise ConfigError(f'policy = {text!r}: no class {name} in {place}; it has: {", ".join(classes) or "none"}')
    if not callable(getattr(found, 'decide', None)):
        raise ConfigError(f'policy = {text!r}: {name} has no method decide(state, people, stamp_ns); see docs/agent.md')
    return found


def _is_class_of(module: ModuleType, thing: object) -> bool:
    """Whether `thing` is a class defined in `module`, or a policy that it re-exports."""
    return isinstance(thing, type) and (thing.__module__ == module.__name__ or callable(getattr(thing, 'decide', None)))


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f'there is no file {path.absolute()}')
    spec = importlib.util.spec_from_file_location(f'affect_perception_policy_{path.stem}', path)
    if spec is None or spec.loader is None:
        raise ImportError(f'{path} is no Python file')
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class PolicyRunner:
    """Runs a policy and keeps its state. A policy that raises, or returns an invalid behaviour, is replaced by the
    default policy until the end.

    `on_failure` is called once with the error text, which stays in `failure`. Raises ConfigError when the class cannot
    be used.
    """

    def __init__(self, settings: AgentSettings, on_failure: Callable[[str], None]) -> None:
        self.name = settings.policy
        self.failure = ''
        self._on_failure = on_failure
        self._class = find_policy(settings.policy)
        self._state: Any = None
        try:
            self._policy = self._class(settings)
        except Exception as error:  # code of the user: reported as an error of the setting
            raise ConfigError(f'policy = {self.name!r} cannot be made: {type(error).__name__}: {error}') from error
        self._settings = settings

    def change(self, settings: AgentSettings) -> None:
        """Remake the policy with other settings; its state is kept."""
        self._settings = settings
        try:
            self._policy = self._class(settings)
        except Exception as error:  # noqa: BLE001 - code of the user: logged, the default policy takes over
            self._replace(error)

    def decide(self, people: Sequence[Affect], stamp_ns: int) -> Behaviour:
        """Behaviour for the faces of the image at `stamp_ns`, by the policy or, once that has failed, the default."""
        try:
            self._state, behaviour = self._policy.decide(self._state, people, stamp_ns)
            return checked(behaviour)
        except Exception as error:  # code of the user: logged, the default policy takes over
            if self._class is SocialPolicy:  # the default itself failed: no other is left
                self._state = None
                raise
            self._replace(error)
        return self.decide(people, stamp_ns)

    def _replace(self, error: Exception) -> None:
        self.failure = f'policy {self.name} raised {type(error).__name__}: {error}; the default policy took over'
        self._class, self._state = SocialPolicy, None
        self._policy = SocialPolicy(self._settings)
        self._on_failure(self.failure)


def checked(behaviour: Any) -> Behaviour:
    """Validate that a message can be made of `behaviour`; TypeError or ValueError otherwise."""
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
