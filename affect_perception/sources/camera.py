"""Cameras of this machine (V4L2, USB): `camera:0`, or the device file `/dev/video0`."""

from __future__ import annotations

import re
from pathlib import Path

import cv2

from affect_perception.errors import ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.capture import CaptureConnection, open_capture
from affect_perception.sources.live import LiveSource


def cameras() -> list[int]:
    """Numbers of the video devices, which need not be cameras; cheap, as no device is opened."""
    return sorted(int(path.name[5:]) for path in Path('/dev').glob('video[0-9]*') if path.name[5:].isdigit())


def open_camera(settings: SourceSettings, on_bad: BadInputCallback) -> LiveSource:
    """Open a camera at the size and rate of the settings; ConfigError for an absent one, or one without images."""
    match = re.fullmatch(r'camera|camera:(\d+)|/dev/video(\d+)', settings.source)
    if match is None:
        raise ConfigError(f'{settings.source!r} names no camera; wanted camera:N, such as camera:0')
    index = int(match[1] or match[2] or 0)

    def connect() -> CaptureConnection:
        if Path('/dev').is_dir() and index not in cameras():
            there = ', '.join(f'camera:{i}' for i in cameras()) or 'none'
            raise ConfigError(f'there is no camera {index} (cameras here: {there}); is it plugged in?')
        capture = open_capture(index, cv2.CAP_ANY)
        if capture is None:
            raise ConfigError(f'camera {index} cannot be opened; is another program using it?')
        # MJPG first: uncompressed images of this size do not fit through USB 2 at full rate.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*'MJPG'))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
        capture.set(cv2.CAP_PROP_FPS, settings.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        connection = CaptureConnection(capture)
        try:
            connection.read()
        except OSError:
            connection.close()
            raise ConfigError(f'camera {index} opens but delivers no image') from None
        return connection

    return LiveSource(f'camera:{index}', connect, settings.frame_id, settings.fps, on_bad)
