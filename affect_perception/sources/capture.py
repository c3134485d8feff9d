"""cv2.VideoCapture without its own warnings, as a `Connection`: for video files, cameras and FFmpeg streams."""

from __future__ import annotations

import logging
import os

import cv2
import numpy as np

from affect_perception.core.images.compressed import check_size, decode_compressed
from affect_perception.core.images.quiet_opencv import quiet
from affect_perception.errors import BadInputError

_LOG = logging.getLogger(__name__)
_MOST_REFUSED = 30

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


def fourcc(capture: cv2.VideoCapture) -> str:
    """Pixel format of a capture in four letters or fewer; '' where unknown."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    return code.to_bytes(4, 'little', signed=True).decode('latin-1').strip('\0 ')


class CaptureConnection:
    """A camera or FFmpeg stream as a `live.Connection`."""

    def __init__(self, capture: cv2.VideoCapture) -> None:
        self._capture = capture
        self.fps = capture.get(cv2.CAP_PROP_FPS)

    @property
    def format(self) -> str:
        """Size, pixel format and rate that the device gives, in words."""
        get = self._capture.get
        code = fourcc(self._capture) or '?'
        width, height = int(get(cv2.CAP_PROP_FRAME_WIDTH)), int(get(cv2.CAP_PROP_FRAME_HEIGHT))
        return f'{width}x{height} {code} at {self.fps:g}/s'

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; OSError at the end, BadInputError for an unusable size."""
        return _rgb(self._next())

    def _next(self) -> np.ndarray:
        with quiet():
            there, image = self._capture.read()
        if not there or image is None:
            raise OSError('no more images')
        return image

    def close(self) -> None:
        """Release the device."""
        self._capture.release()

    def abort(self) -> None:
        """Do nothing: OpenCV ends a read by itself after some seconds, and cannot be told to."""


class MjpegConnection(CaptureConnection):
    """A V4L2 camera that sends JPEGs, decoded here: OpenCV takes a damaged one for an image whose rest is grey.

    A driver that gives decoded images all the same is read as such, and OpenCV decodes again where not one of the first
    _MOST_REFUSED JPEGs can be read.
    """

    def __init__(self, capture: cv2.VideoCapture) -> None:
        super().__init__(capture)
        self._refused: int | None = 0  # JPEGs since the start; None: one could be read, or OpenCV decodes
        if not capture.set(cv2.CAP_PROP_CONVERT_RGB, 0):
            self._decode_by_opencv()

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; OSError at the end, BadInputError for a damaged JPEG or an unusable size."""
        image = self._next()
        if min(image.shape[:2]) > 1:
            return _rgb(image)
        try:
            rgb = decode_compressed(image.reshape(-1), 'camera jpeg', accepted=('jpeg',))
        except BadInputError:
            if self._refused is not None:
                self._refused += 1
                if self._refused >= _MOST_REFUSED:
                    self._decode_by_opencv()
            raise
        self._refused = None
        return rgb

    def _decode_by_opencv(self) -> None:
        self._refused = None
        self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 1)
        _LOG.warning('The JPEGs of this camera are decoded by OpenCV, which does not tell damaged ones')


def _rgb(bgr: np.ndarray) -> np.ndarray:
    check_size(bgr.shape[1], bgr.shape[0])
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
