"""cv2.VideoCapture without its own warnings, as a `Connection`: for video files, cameras and FFmpeg streams."""

from __future__ import annotations

import os

import cv2
import numpy as np

from affect_perception.core.images.compressed import check_size
from affect_perception.core.images.quiet_opencv import quiet

os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')  # FFmpeg writes to stderr; the variable is read at first use


def open_capture(target: str | int, backend: int, **properties: float) -> cv2.VideoCapture | None:
    """Open a capture, or None; `properties` are named as in OpenCV, without CAP_PROP_."""
    parameters = [
        value for name, number in properties.items() for value in (getattr(cv2, f'CAP_PROP_{name}'), int(number))
    ]
    with quiet():
        try:
            capture = cv2.VideoCapture(target, backend, parameters)
        except cv2.error:
            return None
        if capture.isOpened():
            return capture
        capture.release()
        return None


class CaptureConnection:
    """A camera or FFmpeg stream as a `live.Connection`."""

    def __init__(self, capture: cv2.VideoCapture) -> None:
        self._capture = capture
        self.fps = capture.get(cv2.CAP_PROP_FPS)

    @property
    def format(self) -> str:
        """Size, pixel format and rate that the device gives, in words."""
        get = self._capture.get
        code = int(get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little', signed=True).decode('latin-1').strip('\0 ') or '?'
        width, height = int(get(cv2.CAP_PROP_FRAME_WIDTH)), int(get(cv2.CAP_PROP_FRAME_HEIGHT))
        return f'{width}x{height} {code} at {self.fps:g}/s'

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; OSError at the end, BadInputError for an unusable size."""
        with quiet():
            there, bgr = self._capture.read()
        if not there:
            raise OSError('no more images')
        check_size(bgr.shape[1], bgr.shape[0])
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """Release the device."""
        self._capture.release()

    def abort(self) -> None:
        """Do nothing: OpenCV ends a read by itself after some seconds, and cannot be told to."""
