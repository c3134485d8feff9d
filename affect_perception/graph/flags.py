"""Flags of the executable `graph`: which nodes run, and settings of the nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rclpy.utilities import remove_ros_args

from affect_perception.errors import ConfigError, did_you_mean
from affect_perception.settings import GROUPS, GraphSettings, Setting

_TRUTH = {'true': True, 'false': False}


class GraphFlags(NamedTuple):
    """`parts` are settings of GraphSettings, `settings` overrides per node name; `camera`: with camera_node."""

    parts: dict[str, bool | str]
    settings: dict[str, dict[str, Any]]
    camera: bool


def parse_flags(args: Sequence[str]) -> GraphFlags:
    """Read `--no-agent`, `--viewer-process thread`, `--no-camera` and `--set NODE.SETTING=VALUE`; ROS arguments are
    left out.

    Raises ConfigError for a flag, node or setting that does not exist, with the nearest name.
    """
    switches = {'--no-camera': ('camera', False), '--camera': ('camera', True)}
    takes_value: dict[str, str] = {}
    for declared in GraphSettings.declared():
        if declared.type is bool:
            switches |= {declared.flag: (declared.name, True), f'--no-{declared.name}': (declared.name, False)}
        else:
            takes_value |= dict.fromkeys(_flags(declared), declared.name)
    parts: dict[str, bool | str] = {}
    settings: dict[str, dict[str, Any]] = {}
    rest = remove_ros_args(['graph', *args])[1:]
    while rest:
        flag = rest.pop(0)
        if flag in switches:
            name, value = switches[flag]
            parts[name] = value
        elif flag in takes_value:
            parts[takes_value[flag]] = rest.pop(0) if rest else ''
        elif flag == '--set':
            _put(settings, rest.pop(0) if rest else '')
        else:
            known = [*switches, *takes_value, '--set']
            raise ConfigError(f'graph has no flag {flag}{did_you_mean(flag, known)}; flags: {", ".join(known)}')
    return GraphFlags(parts, settings, bool(parts.pop('camera', True)))


def _flags(declared: Setting) -> list[str]:
    return [declared.flag, *(['--' + declared.alias.replace('_', '-')] if declared.alias else [])]


def _put(settings: dict[str, dict[str, Any]], text: str) -> None:
    """Add `NODE.SETTING=VALUE` to `settings`."""
    place, equals, value = text.partition('=')
    node, _, name = place.partition('.')
    if not equals or not name:
        raise ConfigError(f'--set {text!r}: wanted NODE.SETTING=VALUE, as camera_node.source=scene')
    if node not in GROUPS or node == 'graph':
        raise ConfigError(f'--set {text!r}: no node {node}{did_you_mean(node, GROUPS)}')
    declared = {name: d for d in GROUPS[node].declared() for name in (d.name, d.alias) if name}
    if name not in declared:
        raise ConfigError(f'--set {text!r}: {node} has no setting {name}{did_you_mean(name, declared)}')
    settings.setdefault(node, {})[declared[name].name] = _typed(declared[name], value)


def _typed(declared: Setting, text: str) -> Any:
    """Value of `text` in the type of the setting; text that cannot be read is left for the setting to refuse."""
    if declared.type is bool:
        return _TRUTH.get(text.lower(), text)
    try:
        return declared.type(text)
    except ValueError:
        return text
