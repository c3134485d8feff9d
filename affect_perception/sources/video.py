"""Video files and single images as sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from affect_perception.core.images.image_headers import check_size, read_header
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.capture import open_capture, quiet
from affect_perception.sources.folder import SUFFIXES, ImageFolder
from affect_perception.types import Frame


def open_file(path: Path, settings: SourceSettings, on_bad: BadInputCallback) -> VideoFile | ImageFolder:
    """Open a video, or one image as a folder of one; ConfigError for a file that is neither."""
    if path.suffix.lower() in SUFFIXES:
        return ImageFolder(path, settings, on_bad)
    with path.open('rb') as file:
        start = file.read(65536)
    if b'\0' not in start:  # text, which FFmpeg would render as a terminal
        raise ConfigError(f'{path} is neither an image nor a video that OpenCV can read')
    try:
        header = read_header(start)
        if header.format == 'gif' and header.size is not None:  # FFmpeg decodes it to learn its rate
            check_size(*header.size)
    except BadInputError as error:
        raise ConfigError(f'{path}: {error}') from None
    return VideoFile(path, settings, on_bad)


class VideoFile:
    """Source of a video file that FFmpeg reads, GIFs included; stamps are the file's own times, from 0 ns on.

    With `settings.loop` playback restarts at the end and stamps go on. A file that ends early is reported to `on_bad`.
    """

    live = False
    dropped = 0

    def __init__(self, path: Path, settings: SourceSettings, on_bad: BadInputCallback) -> None:
        self.name = path.name
        self._path, self._loop, self._frame_id, self._on_bad = path, settings.loop, settings.frame_id, on_bad
        self._closed = False
        capture = self._open()
        there, _ = capture.read()
        if not there:
            raise ConfigError(f'{path} is neither an image nor a video that OpenCV can read')
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate <= 1000 else settings.fps
        self.size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
        self._expected = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.length = self._expected if self._expected > 0 else None
        capture.release()
        try:
            check_size(*self.size)
        except BadInputError as error:
            raise ConfigError(f'{path}: {error}') from None

    def _open(self) -> cv2.VideoCapture:
        # By default OpenCV takes a numbered image for the first of a series.
        capture = open_capture(str(self._path), cv2.CAP_FFMPEG)
        if capture is None:
            raise ConfigError(f'{self._path} is neither an image nor a video that OpenCV can read')
        return capture

    def __iter__(self) -> Iterator[Frame]:
        start_ns = 0
        while not self._closed:
            last_ns = start_ns - 1
            for stamp_ns, rgb in self._play():
                last_ns = max(start_ns + stamp_ns, last_ns + 1)
                yield Frame(last_ns, self._frame_id, rgb)
            if not self._loop:
                return
            start_ns = last_ns + round(1e9 / self.fps)

    def _play(self) -> Iterator[tuple[int, np.ndarray]]:
        capture = self._open()
        count, first_ms = 0, None
        try:
            while not self._closed:
                with quiet():
                    there, bgr = capture.read()
                if not there:
                    break
                at_ms = capture.get(cv2.CAP_PROP_POS_MSEC)
                first_ms = at_ms if first_ms is None else first_ms
                timed = at_ms > first_ms or count == 0
                stamp_ns = round((at_ms - first_ms) * 1e6) if timed else round(count * 1e9 / self.fps)
                yield stamp_ns, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                count += 1
        finally:
            capture.release()
        if not self._closed and count < 0.9 * self._expected - 2:
            text = f'{self._path} ends after {count} of {self._expected} frames; the rest cannot be read'
            self._on_bad(BadInputError('video', text))

    def close(self) -> None:
        """End the iteration after the current frame."""
        self._closed = True
