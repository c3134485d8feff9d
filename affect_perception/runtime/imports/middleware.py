"""Check of RMW_IMPLEMENTATION before rclpy is imported, as rclpy ends the process if that middleware is missing."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from affect_perception.errors import ConfigError, did_you_mean


def check_middleware() -> None:
    """Raise ConfigError if RMW_IMPLEMENTATION names a middleware that is not installed; says which are."""
    wanted, installed = os.environ.get('RMW_IMPLEMENTATION', ''), installed_middlewares()
    if wanted and installed and wanted not in installed:
        raise ConfigError(
            f'RMW_IMPLEMENTATION = {wanted!r} is not installed{did_you_mean(wanted, installed)}; '
            f'installed: {", ".join(installed)}. Unset it, or install that one'
        )


def installed_middlewares() -> list[str]:
    """Names of the installed middlewares: those of the ament index, and those installed as wheels; sorted."""
    prefixes = [Path(prefix) for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if prefix]
    indexed = (p / 'share/ament_index/resource_index/rmw_typesupport' for p in (*prefixes, Path(sys.prefix)))
    names = {entry.name for folder in indexed if folder.is_dir() for entry in folder.iterdir()}
    wheels = Path(sysconfig.get_paths()['platlib']).glob('rmw_*_cpp')  # with the parts that they share
    return sorted(names | {folder.name for folder in wheels if 'shared' not in folder.name})


def exit_without_middleware() -> None:
    """End the process with status 2 and one line on stderr where `check_middleware` fails; for executables."""
    try:
        check_middleware()
    except ConfigError as error:
        sys.stderr.write(f'affect_perception: {error}\n')
        sys.exit(2)
