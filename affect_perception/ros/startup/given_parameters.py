"""Check of the parameters that a process is started with: names that no node knows are said, with the nearest one.

rclpy ignores a parameter that is never declared, so a misspelt one would have no effect and nobody would know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from affect_perception.errors import ConfigError, did_you_mean
from affect_perception.runtime.files import read_text_file
from affect_perception.runtime.yaml_text import read_yaml
from affect_perception.settings import EVERY_NODE, GROUPS, Settings

_PARAMETERS = 'ros__parameters'
_OF_ROS = ('use_sim_time', 'autostart', 'start_type_description_service')  # and `qos_overrides.`
_CLOSE = 0.8  # similarity from which a name that may be meant for another package is taken for a misspelt one of ours


class Given(NamedTuple):
    """One parameter: `node` as written ('' for all nodes of the process, the last part may be * or **)."""

    node: str
    name: str
    place: str  # of its definition: a file, or `-p`


def known_parameters(node: str) -> set[str]:
    """Names of all parameters of a node of this package, earlier names included."""
    groups: list[type[Settings]] = [GROUPS[node], EVERY_NODE] if node in GROUPS else [EVERY_NODE]
    declared = [setting for group in groups for setting in group.declared()]
    return {*_OF_ROS, *(d.name for d in declared), *(d.alias for d in declared if d.alias)}


def check_parameters(args: Sequence[str], nodes: Iterable[str]) -> list[str]:
    """Check the parameters in `args`, for a process of `nodes`. Returns warnings; ConfigError for what is refused.

    Refused: a file that is missing or malformed; an unknown parameter of `-p` or in the section of a node of ours; an
    unknown node of `-p`. Warned of: names in other sections that are nearly ours, as a file may be shared with other
    packages.
    """
    names = {alias: node for node in nodes for alias in (node, _renamed(args)) if alias}
    warnings = []
    for given in _given(args):
        warning = _check(given, names)
        if warning and warning not in warnings:
            warnings.append(warning)
    return warnings


def _check(given: Given, names: Mapping[str, str]) -> str:
    """Warning about one parameter, '' if it is known; ConfigError if it is refused."""
    on_command_line = given.place.startswith('-p')
    node = given.node.rpartition('/')[2]
    if given.name.startswith('qos_overrides.'):
        return ''
    if node in ('', '*', '**'):
        known = {name for node in names.values() for name in known_parameters(node)}
        if on_command_line and given.name not in known:
            of = ', '.join(sorted(set(names.values())))
            raise ConfigError(f'{given.place}: {of} has no parameter {given.name}{did_you_mean(given.name, known)}')
        known |= {name for node in GROUPS for name in known_parameters(node)}
    elif node in names or node in GROUPS:
        node = names.get(node, node)
        known = known_parameters(node)
        if given.name not in known:
            raise ConfigError(f'{given.place}: {node} has no parameter {given.name}{did_you_mean(given.name, known)}')
    else:
        nearest = did_you_mean(node, {*names, *GROUPS}, 0.6 if on_command_line else _CLOSE)
        if on_command_line:
            raise ConfigError(f'{given.place}: there is no node {node}{nearest}')
        return f'{given.place}: there is no node {given.node}{nearest}' if nearest else ''
    nearest = did_you_mean(given.name, known, _CLOSE) if given.name not in known else ''
    return f'{given.place}: no node has a parameter {given.name}{nearest}' if nearest else ''


def _renamed(args: Sequence[str]) -> str:
    """Name that `-r __node:=NAME` gives to the node; '' without."""
    return next((a.partition(':=')[2] for a in args if a.partition(':=')[0] in ('__node', '__name')), '')


def _given(args: Sequence[str]) -> Iterator[Given]:
    for flag, value in pairwise(args):
        if flag == '--params-file':
            yield from _of_file(Path(value))
        elif flag in ('-p', '--param'):
            place = value.partition(':=')[0]
            node, _, name = place.rpartition(':')
            yield Given(node, name, f'-p {value}')


def _of_file(file: Path) -> Iterator[Given]:
    try:
        content = read_yaml(read_text_file(file))
    except OSError as error:
        raise ConfigError(f'cannot read the parameter file {file} ({error.strerror})') from None
    except ValueError as error:
        raise ConfigError(f'the parameter file {file} is no YAML: {error}') from None
    found = list(_sections(content, '')) if isinstance(content, dict) else []
    if not found:
        raise ConfigError(f'the parameter file {file} has no section NODE: {_PARAMETERS}: ...')
    for node, parameters in found:
        for name in _names(parameters, ''):
            yield Given(node, name, str(file))


def _sections(content: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    for key, value in content.items():
        if key == _PARAMETERS:
            yield path, value if isinstance(value, dict) else {}
        elif isinstance(value, dict):
            yield from _sections(value, f'{path}/{key}' if path else str(key))


def _names(parameters: Mapping[Any, Any], prefix: str) -> Iterator[str]:
    for key, value in parameters.items():
        if isinstance(value, dict):
            yield from _names(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}'
