"""YAML of others: text to plain values, with limits of size and depth; aliases count as often as they are used."""

from __future__ import annotations

from typing import Any

import yaml

_LONGEST = 4 * 2**20  # characters
_DEEPEST = 64  # brackets that are open, and levels of values
_MOST = 200_000  # values, repeated ones too


def read_yaml(text: str) -> Any:
    """Value of a YAML text. Raises ValueError, with a reason in one line, for one that is none or beyond the limits."""
    if len(text) > _LONGEST:
        raise ValueError(f'{len(text)} characters; wanted {_LONGEST} or fewer')
    depth = 0
    for character in text:
        depth += (character in '[{') - (character in ']}' and depth > 0)
        if depth > _DEEPEST:
            raise ValueError(f'more than {_DEEPEST} open brackets')
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, OverflowError, ValueError) as error:
        raise ValueError(' '.join(str(error).split())) from None
    _check(value)
    return value


def _check(value: Any) -> None:
    """Raise ValueError for values that go too deep or are too many, as those that contain themselves are."""
    count, left = 0, [(value, 0)]
    while left:
        value, depth = left.pop()
        count += 1
        if count > _MOST or depth > _DEEPEST:
            raise ValueError(f'more than {_DEEPEST} levels, or more than {_MOST} values')
        if isinstance(value, dict):
            left += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, (list, tuple, set)):
            left += [(part, depth + 1) for part in value]
