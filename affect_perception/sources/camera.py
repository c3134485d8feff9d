"""Cameras of this machine (V4L2, USB): `camera:0`, `camera:NAME`, or a device file such as /dev/v4l/by-id/…."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import cv2

from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.capture import CaptureConnection, MjpegConnection, fourcc, open_capture
from affect_perception.sources.live import LiveSource

_LOG = logging.getLogger(__name__)
_NAMES = Path('/sys/class/video4linux')
_FIRST = 60  # images, of which one must be usable


def cameras() -> list[int]:
    """Numbers of the video devices, which need not be cameras; cheap, as no device is opened."""
    return sorted(int(path.name[5:]) for path in Path('/dev').glob('video[0-9]*') if path.name[5:].isdigit())


def camera_name(number: int) -> str:
    """Name that the driver gives a device; '' without one."""
    try:
        return (_NAMES / f'video{number}' / 'name').read_text(errors='replace').strip()
    except OSError:
        return ''


def list_cameras() -> str:
    """The cameras of this machine in words, for errors."""
    named = [(number, camera_name(number)) for number in cameras()]
    return ', '.join(f'camera:{number}' + (f' ({name})' if name else '') for number, name in named) or 'none'


def camera_number(text: str) -> int:
    """Number of the device that `camera`, `camera:N`, `camera:NAME` or a path below /dev means.

    A name is a part of the driver's, in any case; the first such device counts. Links are followed. Raises ConfigError
    that lists the cameras of this machine.
    """
    if text.startswith('/dev/') or text.startswith('camera:/dev/'):
        path = text.removeprefix('camera:')
        device = re.fullmatch(r'/dev/video(\d+)', os.path.realpath(path))
        if device is None:
            state = 'is no video device' if os.path.exists(path) else 'does not exist'
            raise ConfigError(f'{path} {state}; cameras here: {list_cameras()}')
        return _present(int(device[1]))
    match = re.fullmatch(r'camera(?::(.*))?', text, re.DOTALL)
    if match is None or match[1] == '':
        raise ConfigError(f'{text!r} names no camera; wanted camera:N or camera:NAME; cameras here: {list_cameras()}')
    wanted = match[1] or '0'
    if wanted.isascii() and wanted.isdigit():
        return _present(int(wanted))
    found = [number for number in cameras() if wanted.lower() in camera_name(number).lower()]
    if not found:
        text = f'no camera has {wanted!r} in its name (cameras here: {list_cameras()}); wanted camera:N or camera:NAME'
        raise ConfigError(text)
    return found[0]


def _present(number: int) -> int:
    if Path('/dev').is_dir() and number not in cameras():
        raise ConfigError(f'there is no camera {number} (cameras here: {list_cameras()}); is it plugged in?')
    return number


def _read_first(connection: CaptureConnection) -> None:
    """Read until there is an image: the first ones of a camera are often damaged. Raises what the last one raised."""
    for attempt in range(_FIRST):
        try:
            connection.read()
        except BadInputError:
            if attempt == _FIRST - 1:
                raise
        else:
            return


def open_camera(settings: SourceSettings, on_bad: BadInputCallback) -> LiveSource:
    """Open a camera at the size and rate of the settings; ConfigError for an absent one, or one without images.

    The format asked for and the one that the camera gives are logged.
    """

    def connect() -> CaptureConnection:
        index = camera_number(settings.source)
        capture = open_capture(index, cv2.CAP_ANY)
        if capture is None:
            raise ConfigError(f'camera {index} cannot be opened; is another program using it?')
        # MJPG first: uncompressed images of this size do not fit through USB 2 at full rate.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*'MJPG'))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
        capture.set(cv2.CAP_PROP_FPS, settings.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        jpegs = fourcc(capture) in ('MJPG', 'JPEG') and capture.getBackendName() == 'V4L2'
        connection = (MjpegConnection if jpegs else CaptureConnection)(capture)
        try:
            _read_first(connection)
        except (OSError, BadInputError) as error:
            connection.close()
            raise ConfigError(f'camera {index} opens but delivers no image ({error})') from None
        asked = f'{settings.width}x{settings.height} MJPG at {settings.fps:g}/s'
        _LOG.info('Camera %d (%s): asked for %s, got %s', index, camera_name(index), asked, connection.format)
        return connection

    camera_number(settings.source)
    return LiveSource(settings.source, connect, settings.frame_id, settings.fps, on_bad)
