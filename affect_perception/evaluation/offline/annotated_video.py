"""Annotated video of an evaluation: one MP4 frame per input frame, every face with its box and smile level."""

from __future__ import annotations

from pathlib import Path

import cv2

from affect_perception.core.display.annotation import annotated
from affect_perception.errors import ConfigError
from affect_perception.types import AffectFrame, Frame


class VideoWriter:
    """Write annotated frames to an MP4 file, opened at the first frame; all others are scaled to its size."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, frame: Frame, affect: AffectFrame) -> None:
        """Append one frame; ConfigError if the file cannot be opened."""
        if self._writer is None:
            self._size = (frame.width, frame.height)
            self._writer = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*'mp4v'), self._fps, self._size)
            if not self._writer.isOpened():
                raise ConfigError(f'cannot write the video {self._path}; give a path that ends in .mp4, in a folder')
        bgr = cv2.cvtColor(annotated(frame.rgb, affect), cv2.COLOR_RGB2BGR)
        if (frame.width, frame.height) != self._size:
            bgr = cv2.resize(bgr, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(bgr)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()
