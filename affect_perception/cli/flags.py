"""Flags shared by several commands: one per setting, and the labels and options of reports."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from affect_perception.errors import ConfigError
from affect_perception.runtime.imports.middleware import check_middleware
from affect_perception.runtime.masking import masked
from affect_perception.settings import GROUPS, Setting

if TYPE_CHECKING:  # imported late, so that `--help` needs no libraries
    from affect_perception.evaluation.report.report import ReportOptions

Commands = Any  # argparse._SubParsersAction, which argparse does not export


class _HelpAll(argparse.Action):
    """`--help-all`: print the help with all settings, and exit. `const`: texts of hidden flags, and the last line."""

    const: tuple[dict[argparse.Action, str], str]

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        texts, parser.epilog = self.const
        for action, text in texts.items():
            action.help = text
        parser.print_help()
        parser.exit()


def add_flags(
    parser: argparse.ArgumentParser,
    *nodes: str,
    skip: Collection[str] = (),
    shown: Collection[str] = (),
    no_effect: Collection[str] = (),
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Add one flag per setting of the named nodes. A flag that is not given stays None: the node's default holds.

    `--help` shows the common settings and `shown`, `--help-all` all. `skip`: settings without a flag. `no_effect`:
    settings whose flags are accepted and not offered. `defaults`: what the command takes in place of the declared
    default, a value or words.
    """
    hidden: dict[argparse.Action, str] = {}
    useless = []
    for node in nodes:
        section = parser.add_argument_group(f'settings of {node}')
        for declared in GROUPS[node].declared():
            if declared.name in skip:
                continue
            options: dict[str, Any] = {'dest': declared.name, 'help': argparse.SUPPRESS}
            if declared.type is bool:
                options['action'] = argparse.BooleanOptionalAction
            else:
                options |= {'type': declared.type, 'metavar': declared.type.__name__.upper()}
            action = section.add_argument(declared.flag, **options)
            if declared.alias:
                section.add_argument('--' + declared.alias.replace('_', '-'), **options)
            if declared.name in no_effect:
                useless.append(declared.flag)
            elif declared.common or declared.name in shown:
                action.help = _flag_help(declared, defaults.get(declared.name, declared.default))
            else:
                hidden[action] = _flag_help(declared, defaults.get(declared.name, declared.default))
    if not hidden:
        return
    last = f'Accepted, but without effect here: {", ".join(useless)}.' if useless else ''
    parser.epilog = f'--help-all also shows {len(hidden)} settings that are seldom changed.'
    parser.add_argument(
        '--help-all', action=_HelpAll, nargs=0, dest=argparse.SUPPRESS, default=argparse.SUPPRESS,
        const=(hidden, last), help='show this help with all settings, and exit',
    )  # fmt: skip


def _flag_help(declared: Setting, default: Any) -> str:
    """Help of a flag: meaning, range or choices with the unit, and `default`, a value or words."""
    words = {True: 'on', False: 'off', '': 'empty' if 'empty' in declared.meaning else 'none'}
    shown = words.get(default, default) if isinstance(default, bool | str) else default
    ranged = declared.choices or declared.type in (int, float)
    allowed = f'{declared.allowed} {declared.unit.replace("1/", "per ")}'.strip() + '; ' if ranged else ''
    return f'{declared.meaning} ({allowed}default: {shown})'.replace('%', '%%')


def settings_of(args: argparse.Namespace, node: str) -> dict[str, Any]:
    """Settings of `node` that the command line gives, validated; ConfigError for a value out of range."""
    names = {declared.name for declared in GROUPS[node].declared()}
    values = {name: value for name, value in vars(args).items() if name in names and value is not None}
    checked = GROUPS[node].from_mapping(values)
    return {name: getattr(checked, name) for name in values}


def settings_by_node(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Settings that the command line gives, per node."""
    return {node: settings_of(args, node) for node in GROUPS}


def add_report_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `report_options` reads."""
    section = parser.add_argument_group('labels and the report (docs/evaluation.md)')
    section.add_argument(
        '--labels',
        type=Path,
        action='append',
        default=[],
        metavar='FILE',
        help='.eaf (ELAN), .csv or .txt (Aff-Wild2) of this input, or a folder with files named as the inputs; may be '
        'given again for more annotators, the first of whom is the reference',
    )
    section.add_argument(
        '--people',
        default='',
        metavar='MAP',
        help='track ids of each labelled person, as anna=1,ben=2+5 (default: by boxes, else from left to right)',
    )
    section.add_argument(
        '--faces', action=argparse.BooleanOptionalAction, default=True, help='small images of faces in report.html'
    )


def report_options(args: argparse.Namespace) -> ReportOptions:
    """Options of the report, from the flags of `add_report_flags` and the command line itself."""
    from affect_perception.evaluation.report.report import ReportOptions

    command = shlex.join(['affect-perception', *map(masked, sys.argv[1:])])
    return ReportOptions(tuple(args.labels), args.people, args.faces, command)


def check_seconds(flag: str, value: float) -> None:
    """Raise ConfigError for a duration that is negative, infinite or no number."""
    if not 0 <= value < math.inf:
        raise ConfigError(f'{flag} {value} is no duration; give seconds, 0 or more')


def require_ros() -> None:
    """Raise ConfigError where rclpy, its middleware or the messages of this package cannot be imported."""
    check_middleware()
    try:
        import rclpy  # noqa: F401 - whether it can be imported

        import affect_perception.msg  # noqa: F401 - whether the generated messages can be imported
    except ImportError as error:
        raise ConfigError(
            f'ROS 2 or the messages of this package cannot be imported ({error}); run `make set-up` and activate '
            '.venv, or source your ROS 2 installation and the workspace that this package was built in'
        ) from error
