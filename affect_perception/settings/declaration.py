"""Declaration of settings: default, meaning, unit and allowed range of each, validated when an instance is made."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from affect_perception.errors import ConfigError, did_you_mean

Self = TypeVar('Self', bound='Settings')  # typing.Self needs Python 3.11
_LARGEST = 2.0**31  # of numbers: both ends of a range that rclpy takes
_WORDS = {True: 'on', False: 'off'}  # which YAML reads as
# A ROS topic name: relative, absolute or private (~/), no part empty or beginning with a digit.
_TOPIC = re.compile(r'(~/|/)?[A-Za-z_{][A-Za-z0-9_{}]*(/[A-Za-z_{][A-Za-z0-9_{}]*)*')


def setting(
    default: Any,
    meaning: str,
    *,
    unit: str = '',
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    live: bool = False,
    alias: str = '',
    topic: bool = False,
    path: bool = False,
    not_above: str = '',
    common: bool = False,
) -> Any:
    """Declare a field of a `Settings` class. The type of the setting is the type of `default`; bounds are inclusive.

    `live`: may change while a node runs (`ros2 param set`); other settings are read once, at start.
    `alias`: an earlier name, still accepted in mappings, flags and ROS parameters. `topic`: the name of a topic, or
    the default. `path`: may be the name of a file, which need not be UTF-8. `not_above`: another setting of the class
    that this one must not exceed. `common`: one that many users change; `--help` shows these, `--help-all` all.
    """
    metadata = {
        'meaning': meaning,
        'unit': unit,
        'low': low,
        'high': high,
        'choices': choices,
        'live': live,
        'alias': alias,
        'topic': topic,
        'path': path,
        'not_above': not_above,
        'common': common,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Setting:
    """Declaration of one setting, from which ROS parameters, flags and documentation are derived."""

    name: str
    default: Any
    meaning: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    live: bool
    alias: str = ''
    topic: bool = False
    path: bool = False
    not_above: str = ''
    common: bool = False

    @property
    def type(self) -> type:
        """Type of the value: bool, int, float or str."""
        return type(self.default)

    @property
    def flag(self) -> str:
        """Command line flag, such as `--detect-every`."""
        return '--' + self.name.replace('_', '-')

    @property
    def allowed(self) -> str:
        """Allowed values in words: `1 to 300`, `cpu, cuda` or `any text`."""
        if self.choices:
            return ', '.join(self.choices)
        if self.low is not None and self.high is not None:
            return f'{self.low} to {self.high}'
        if self.low is not None:
            return f'{self.low} or more'
        return {bool: 'true or false', str: 'any text', int: 'a whole number', float: 'a number'}[self.type]

    def checked(self, value: Any) -> Any:
        """Validate `value`; returns it in the setting's type. ConfigError for a wrong type or a value out of range.

        An int is accepted where a float is wanted, and YAML's reading of on and off as true and false where these are
        choices; nothing else is converted.
        """
        if isinstance(value, bool) and _WORDS[value] in self.choices:
            value = _WORDS[value]
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < _LARGEST else math.inf
        if type(value) is not self.type:
            quoted = isinstance(value, bool) and self.type is str
            raise ConfigError(
                f'{self.name} = {_shown(value)} is {type(value).__name__}; wanted {self.type.__name__} ({self.allowed})'
                + '; YAML reads on, off, yes and no as true and false: put the word in double quotes, \'"off"\''
                * quoted
            )
        if self.type is str and not _is_text(value, self.path):
            raise ConfigError(f'{self.name} = {_shown(value)} is no text in UTF-8')
        number: Any = value
        below = self.low is not None and not number >= self.low  # written so that NaN is out of range
        above = self.high is not None and not number <= self.high
        limitless = self.type in (int, float) and not abs(number) < _LARGEST  # also NaN and infinity
        if limitless and not (below or above):
            raise ConfigError(f'{self.name} = {_shown(value)} is no finite number below {_LARGEST}; {self.allowed}')
        if below or above or (self.choices and value not in self.choices):
            raise ConfigError(f'{self.name} = {_shown(value)} is out of range; allowed: {self.allowed}')
        if self.topic and value not in ('', self.default) and not _TOPIC.fullmatch(str(value)):
            raise ConfigError(
                f'{self.name} = {_shown(value)} is no topic name; wanted letters, digits and _ in parts separated by '
                '/, no part beginning with a digit'
            )
        if self.topic and not value and self.default not in ('', 'auto'):
            raise ConfigError(f'{self.name} is empty; give the name of a topic, as {self.default}')
        return value


def _is_text(text: Any, path: bool) -> bool:
    """False for a text with bytes that were no UTF-8 on the command line (but in a path), or with a zero character."""
    try:
        return b'\0' not in (os.fsencode(text) if path else text.encode())
    except UnicodeEncodeError:
        return False


def _shown(value: Any) -> str:
    """Short text of a value that was given, whatever it is."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - an integer of 5,000 digits has no text
        text = f'a value without a text ({error})'
    return text if len(text) <= 200 else f'{text[:200]}...'


@dataclass(frozen=True)
class Settings:
    """Base class of all groups of settings. Construction validates every field (ConfigError)."""

    def __post_init__(self) -> None:
        for declared in self.declared():
            object.__setattr__(self, declared.name, declared.checked(getattr(self, declared.name)))
        for declared in self.declared():
            value, limit = getattr(self, declared.name), getattr(self, declared.not_above or declared.name)
            if declared.not_above and value > limit:
                raise ConfigError(
                    f'{declared.name} = {value} is above {declared.not_above} = {limit}; give both, so that '
                    f'{declared.name} is not above {declared.not_above}'
                )

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        """Declarations of all settings of the group, in the order of their definition."""
        return tuple(Setting(name=f.name, default=f.default, **f.metadata) for f in dataclasses.fields(cls))

    @classmethod
    def from_mapping(cls: type[Self], values: Mapping[str, Any]) -> Self:
        """Make an instance of `values` (names or aliases) over the defaults; ConfigError names an unknown one."""
        known = {declared.name for declared in cls.declared()}
        aliases = {declared.alias: declared.name for declared in cls.declared() if declared.alias}
        for name in values:
            if not isinstance(name, str) or name not in known | set(aliases):
                nearest = did_you_mean(str(name), known | set(aliases))
                raise ConfigError(f'no setting {name!r} in {cls.__name__}{nearest}; known: {", ".join(sorted(known))}')
        return cls(**{aliases.get(name, name): value for name, value in values.items()})

    def changed(self: Self, **values: Any) -> Self:
        """Copy of the instance with `values` replaced and validated."""
        return dataclasses.replace(self, **values)
