"""What a setting is: default, meaning, unit and allowed range, checked when an instance of a group is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from affect_perception.errors import ConfigError


def setting(default, meaning: str, *, unit: str = '', low=None, high=None, choices=(), live: bool = False):
    """One setting of a `Settings` class. Its type is the type of `default`; bounds are inclusive.

    `live` settings may be changed while a node runs (`ros2 param set`), the others are fixed at its start.
    """
    metadata = {'meaning': meaning, 'unit': unit, 'low': low, 'high': high, 'choices': choices, 'live': live}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Setting:
    """The declaration of one setting, for those who derive parameters, flags or documentation from it."""

    name: str
    default: Any
    meaning: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    live: bool

    @property
    def type(self) -> type:
        return type(self.default)

    @property
    def allowed(self) -> str:
        """What may be given, in words: `1 to 300`, `cpu, cuda` or `any text`."""
        if self.choices:
            return ', '.join(self.choices)
        if self.low is not None and self.high is not None:
            return f'{self.low} to {self.high}'
        if self.low is not None:
            return f'{self.low} or more'
        return {bool: 'true or false', str: 'any text', int: 'a whole number', float: 'a number'}[self.type]

    def checked(self, value):
        """`value` in the setting's type, or ConfigError. An int does where a float is wanted; nothing else is bent."""
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not self.type:
            raise ConfigError(
                f'{self.name} = {value!r} is {type(value).__name__}; wanted {self.type.__name__} ({self.allowed})'
            )
        below = self.low is not None and not value >= self.low  # written so that NaN is out of range
        above = self.high is not None and not value <= self.high
        if below or above or (self.choices and value not in self.choices):
            raise ConfigError(f'{self.name} = {value!r} is out of range; allowed: {self.allowed}')
        return value


@dataclass(frozen=True)
class Settings:
    """Base of all groups of settings: checked at construction, made from mappings, described for others."""

    def __post_init__(self):
        for declared in self.declared():
            object.__setattr__(self, declared.name, declared.checked(getattr(self, declared.name)))

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        return tuple(Setting(name=f.name, default=f.default, **f.metadata) for f in dataclasses.fields(cls))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]):
        """An instance with `values` over the defaults; ConfigError names what is unknown."""
        known = {d.name for d in cls.declared()}
        for name in values:
            if name not in known:
                raise ConfigError(f'no setting {name!r} in {cls.__name__}; known: {", ".join(sorted(known))}')
        return cls(**values)

    def changed(self, **values):
        return dataclasses.replace(self, **values)
