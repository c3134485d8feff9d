"""Annotated video of an evaluation: one MP4 frame per input frame, every face with its box and smile level."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from affect_perception.core.display.annotation import annotated
from affect_perception.errors import AffectPerceptionError, ConfigError
from affect_perception.sources.container import library, reason_of
from affect_perception.types import AffectFrame, Frame

_TIME_BASE = Fraction(1, 60_000)  # s; MPEG-4 allows no finer one
_BITS_PER_PX = 0.3


class VideoWriter:
    """Write annotated frames to an MP4 file, opened at the first frame; all others are scaled to its size.

    Frames have the times of their stamps, counted from `zero_s`, by default from the first one; `fps` is the rate that
    the header names, and that of frames whose stamps do not grow.
    """

    def __init__(self, path: Path, fps: float, zero_s: float | None = None) -> None:
        self._path, self._fps = path, fps
        self._zero_ns = None if zero_s is None else round(zero_s * 1e9)
        self._container: Any = None
        self._track: Any = None
        self._size = (0, 0)
        self._last = -1

    def _open(self, frame: Frame) -> None:
        self._size = (max(frame.width // 2 * 2, 2), max(frame.height // 2 * 2, 2))  # chroma is of half size
        av = library()
        try:
            self._container = av.open(os.path.abspath(self._path), 'w', format='mp4')
            self._track = self._container.add_stream('mpeg4', rate=Fraction(self._fps).limit_denominator(1001))
            self._track.width, self._track.height = self._size
            self._track.pix_fmt = 'yuv420p'
            self._track.codec_context.time_base = _TIME_BASE
            self._track.bit_rate = round(self._size[0] * self._size[1] * self._fps * _BITS_PER_PX)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise ConfigError(f'cannot write the video {self._path}: {reason_of(error)}') from None

    def write(self, frame: Frame, affect: AffectFrame) -> None:
        """Append one frame; ConfigError if the file cannot be opened, AffectPerceptionError on a full disk."""
        av = library()
        if self._container is None:
            self._open(frame)
        if self._zero_ns is None:
            self._zero_ns = frame.stamp_ns
        rgb = annotated(frame.rgb, affect)
        if (frame.width, frame.height) != self._size:
            rgb = cv2.resize(rgb, self._size, interpolation=cv2.INTER_AREA)
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format='rgb24')
        at = round((frame.stamp_ns - self._zero_ns) * 60_000 / 1e9)
        picture.pts = self._last = at if at > self._last else self._last + round(60_000 / self._fps)
        picture.time_base = _TIME_BASE
        self._mux(picture)

    def _mux(self, picture: Any) -> None:
        av = library()
        try:
            self._container.mux(self._track.encode(picture))
        except (OSError, av.error.FFmpegError) as error:
            raise AffectPerceptionError(f'{self._path} cannot be written on: {reason_of(error)}') from None

    def close(self) -> None:
        """Finish the file."""
        if self._container is not None:
            self._mux(None)
            self._container.close()
            self._container = None
