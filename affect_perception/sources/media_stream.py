"""Streams and media files at an address, read by FFmpeg: RTSP, RTMP, SRT, HLS, RTP, UDP, progressive HTTP."""

from __future__ import annotations

import time
from collections.abc import Generator

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.sources.addresses import masked, scheme_of, with_quoted_login
from affect_perception.sources.container import library, open_container, picture_track, rate_of, reason_of
from affect_perception.sources.pictures import PictureConverter

TIMEOUT_S = 4.0  # to connect, and between two pieces of data
_LONGEST_WAIT_S = 1.0  # for the time of a picture; a longer gap of the times is a jump
_OPTIONS = {'analyzeduration': '2000000'}  # µs; FFmpeg's 5 s would delay the start
_TIMED = {'rtsp': {'rtsp_transport': 'tcp', 'timeout': f'{TIMEOUT_S * 1e6:.0f}'}}


class MediaConnection:
    """`live.Connection` to an address by FFmpeg.

    With `live` pictures are given as they arrive; otherwise at the rate of their times, as they may come faster, until
    the end of the medium, where `read` raises EOFError. Raises ConfigError where nothing can be opened.
    """

    def __init__(self, url: str, live: bool) -> None:
        self._live = live
        shown, scheme = masked(url), scheme_of(url)
        options = _OPTIONS | _TIMED.get(scheme.removesuffix('s'), {})
        try:
            self._container = open_container(with_quoted_login(url), TIMEOUT_S, **options)
        except ConfigError as error:
            raise ConfigError(f'{shown} cannot be reached, or is no video that FFmpeg can read: {error}') from None
        track = picture_track(self._container)
        if track is None:
            self._container.close()
            raise ConfigError(f'{shown} holds no moving pictures')
        track.thread_type = 'SLICE' if live else 'AUTO'  # threads per frame delay each picture by their number
        self._track = track
        self.fps = rate_of(track)
        self._start: tuple[float, float] | None = None  # time of the medium and of this machine, s
        self._pictures = self._read_pictures()

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; EOFError at the end of a medium, OSError at a break, BadInputError for a size."""
        av = library()
        try:
            picture = next(self._pictures, None)
        except (av.error.FFmpegError, ValueError) as error:
            raise OSError(reason_of(error)) from None
        if picture is None:
            raise OSError('the stream ended') if self._live else EOFError
        time_s, rgb = picture
        if not self._live and time_s is not None:
            self._wait_for(time_s)
        return rgb

    def _read_pictures(self) -> Generator[tuple[float | None, np.ndarray], None, None]:
        av = library()
        converter = PictureConverter(self._track)
        for packet in self._container.demux(self._track):
            try:
                frames = self._track.decode(packet)
            except av.error.InvalidDataError:  # a lost packet; the next key frame mends the picture
                continue
            for frame in frames:
                for ready, rgb in converter.push(frame):
                    yield ready.time, rgb
        for ready, rgb in converter.push(None):
            yield ready.time, rgb

    def _wait_for(self, time_s: float) -> None:
        """Wait until a picture is due; pictures that are late, or jump, begin a new count."""
        now = time.monotonic()
        if self._start is not None:
            wait_s = self._start[1] + time_s - self._start[0] - now
            if 0 <= wait_s <= _LONGEST_WAIT_S:
                time.sleep(wait_s)
                return
            if -_LONGEST_WAIT_S < wait_s < 0:
                return
        self._start = (time_s, now)

    def close(self) -> None:
        """Close the connection."""
        self._pictures.close()
        self._container.close()

    def abort(self) -> None:
        """Do nothing: FFmpeg ends a read by itself after the time limit it was given."""
