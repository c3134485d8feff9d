"""Flags shared by several commands: one per setting, and the labels and options of reports."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect_perception.errors import ConfigError
from affect_perception.runtime.imports.middleware import check_middleware
from affect_perception.runtime.masking import masked
from affect_perception.settings import GROUPS

if TYPE_CHECKING:  # imported late, so that `--help` needs no libraries
    from affect_perception.evaluation.report.report import ReportOptions

Commands = Any  # argparse._SubParsersAction, which argparse does not export


def add_flags(parser: argparse.ArgumentParser, *nodes: str, skip: tuple[str, ...] = ()) -> None:
    """Add one flag per setting of the named nodes. A flag that is not given stays None: the node's default holds."""
    for node in nodes:
        section = parser.add_argument_group(f'settings of {node}')
        for declared in GROUPS[node].declared():
            if declared.name in skip:
                continue
            unit = f', {declared.unit}' if declared.unit else ''
            text = f'{declared.meaning} ({declared.allowed}{unit}; default {declared.default})'.replace('%', '%%')
            names = [declared.flag, *(['--' + declared.alias.replace('_', '-')] if declared.alias else [])]
            if declared.type is bool:
                section.add_argument(*names, action=argparse.BooleanOptionalAction, help=text)
            else:
                section.add_argument(*names, type=declared.type, help=text, metavar=declared.type.__name__.upper())


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
