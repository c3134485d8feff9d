"""Start of ROS in a process: environment and arguments are checked first, so that a mistake is one line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import rclpy
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from affect_perception.errors import ConfigError
from affect_perception.ros.health.log_bridge import log_to_ros
from affect_perception.ros.startup.given_parameters import check_parameters
from affect_perception.ros.startup.transports import use_large_buffers

_DOMAINS = 232  # the highest; UDP ports end there
# What rclpy raises for names, remappings and parameters that a user gave.
USER_ERRORS = (NameValidationException, ParameterException, rclpy_implementation.RCLError)


def init_ros(args: Sequence[str] = (), nodes: Iterable[str] = ()) -> None:
    """Initialise rclpy with `args`, for a process of the named nodes; logs what may be a misspelt parameter.

    Raises ConfigError for an environment or arguments that ROS cannot use, and for unknown parameters. rclpy's own
    signal handlers are not installed: they shut the context down at once, while threads still publish.
    """
    _check_environment()
    warnings = check_parameters(args, nodes)
    use_large_buffers()
    try:
        rclpy.init(args=list(args), signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:
        raise ConfigError(f'ROS 2 does not start: {in_one_line(error)}') from error
    log_to_ros()
    for text in warnings:
        get_logger('affect_perception').warning(text)


def in_one_line(error: Exception) -> str:
    """Text of an exception of rclpy without line breaks, pointers to columns and places in C code."""
    lines = [line.strip() for line in str(error).split('\n')]
    return ' '.join(line.partition(', at /')[0] for line in lines if line.strip('^ ')) or type(error).__name__


def _check_environment() -> None:
    """Raise ConfigError for variables and folders that ROS would refuse in many lines, or ignore."""
    domain = os.environ.get('ROS_DOMAIN_ID', '')
    if domain and not (domain.isascii() and domain.isdigit() and int(domain) <= _DOMAINS):
        raise ConfigError(f'ROS_DOMAIN_ID = {domain!r} is no domain; give a whole number from 0 to {_DOMAINS}')
    folder = _log_folder()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        raise ConfigError(
            f'ROS cannot write its log into {folder} ({existing} is not a writable folder); set ROS_LOG_DIR to one'
        )


def _log_folder() -> Path:
    """Folder of ROS's log files, as rcl_logging chooses it."""
    if given := os.environ.get('ROS_LOG_DIR', ''):
        return Path(given).expanduser().absolute()
    home = os.environ.get('ROS_HOME', '') or '~/.ros'
    return Path(home).expanduser().absolute() / 'log'
