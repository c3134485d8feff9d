"""Log records of the package's libraries, sent to rclpy's logger."""

from __future__ import annotations

import logging

import rclpy
from rclpy.logging import get_logger

from affect_perception.runtime.log_handler import log_to, to_stderr


def log_to_ros() -> None:
    """Send the log records of `affect_perception.*` to rclpy's logger while a ROS context is up, else to stderr.

    The level of ROS (`--ros-args --log-level`) then decides what is shown.
    """
    log_to(_sink)


def _sink(level: int, name: str, text: str) -> None:
    if not rclpy.ok():
        to_stderr(level, name, text)
        return
    logger = get_logger(name)
    if level >= logging.ERROR:  # a line each: rclpy keeps the severity of a call by its place in the source
        logger.error(text)
    elif level >= logging.WARNING:
        logger.warning(text)
    elif level >= logging.INFO:
        logger.info(text)
    else:
        logger.debug(text)
