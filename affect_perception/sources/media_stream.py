"""Streams and media files at an address, read by FFmpeg: RTSP, RTMP, SRT, HLS, RTP, UDP, progressive HTTP."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.runtime.masking import masked
from affect_perception.sources.addresses import scheme_of, with_quoted_login
from affect_perception.sources.container import (
    clock_start_s,
    library,
    open_container,
    picture_track,
    rate_of,
    reason_of,
)
from affect_perception.sources.pictures import PictureConverter

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

TIMEOUT_S = 4.0  # to connect, and between two pieces of data
_LONGEST_WAIT_S = 1.0  # for the time of a picture; a longer gap of the times is a jump
_WHOLE_S = 1.0  # that the pictures may end before the length in the header
_FRUITLESS = 2  # connections without a further picture, after which a medium counts as ended
_OPTIONS = {'analyzeduration': '2000000'}  # µs; FFmpeg's 5 s would delay the start
_TIMED = {'rtsp': {'rtsp_flags': 'prefer_tcp', 'timeout': f'{TIMEOUT_S * 1e6:.0f}'}}
_PACED = ('http', 'https')  # give pictures faster than they are to be shown


class MediaAddress:
    """An address to play by FFmpeg, opened again after breaks: a medium with an end goes on where it broke."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.reached_s = -1.0  # time of the last picture of a medium with an end
        self.fruitless = 0  # connections in turn that gave no further picture

    def connect(self) -> MediaConnection:
        """Open the address; ConfigError, without its login, where nothing can be opened."""
        return MediaConnection(self._url, self)


class MediaConnection:
    """`live.Connection` to an address by FFmpeg.

    A medium whose header tells its length has an end, at which `read` raises EOFError; all others are live. Pictures
    over HTTP are given at the rate of their times, all others as they arrive.
    """

    def __init__(self, url: str, address: MediaAddress) -> None:
        self._address = address
        self._open(url)
        self._length_s = _length_s(self._container, self._track)
        self._begun_s = address.reached_s  # pictures up to here were given before a break
        self._is_resumed = self._length_s > 0 and address.reached_s > 0
        self._paced = scheme_of(url) in _PACED
        self._zero_s = float(clock_start_s(self._container))
        # Threads per frame delay each picture by their number.
        self._track.thread_type = 'AUTO' if self._length_s else 'SLICE'
        self.fps = rate_of(self._track)
        self._start: tuple[float, float] | None = None  # time of the medium and of this machine, s
        if self._is_resumed and not address.fruitless:
            with contextlib.suppress(library().error.FFmpegError):  # without seeking, pictures are skipped
                self._container.seek(round((self._zero_s + address.reached_s) * 1e6))
        self._pictures = self._read_pictures()

    def _open(self, url: str) -> None:
        shown, scheme = masked(url), scheme_of(url)
        options = _OPTIONS | _TIMED.get(scheme.removesuffix('s'), {})
        try:
            self._container = open_container(with_quoted_login(url), TIMEOUT_S, **options)
        except ConfigError as error:
            if 'Protocol not found' in str(error):
                text = f'the FFmpeg of this PyAV has no {scheme}; build PyAV on one that has it'
                raise ConfigError(f'{shown} cannot be read: {text} (pip install --no-binary av av)') from None
            raise ConfigError(f'{shown} cannot be reached, or is no video that FFmpeg can read: {error}') from None
        track = picture_track(self._container)
        if track is None:
            self._container.close()
            raise ConfigError(f'{shown} holds no moving pictures')
        self._track = track

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; EOFError at the end of a medium, OSError at a break, BadInputError for a size."""
        av = library()
        while True:
            try:
                picture = next(self._pictures, None)
            except (av.error.FFmpegError, ValueError) as error:
                raise OSError(reason_of(error)) from None
            if picture is None:
                self._end()
            elif self._is_next(picture[0]):
                if self._paced and picture[0] is not None:
                    self._wait_for(picture[0])
                return picture[1]

    def _end(self) -> None:
        """Raise EOFError at the end of a medium, OSError at an earlier one and where there is none."""
        if not self._length_s:
            raise OSError('the stream ended')
        reached_s = max(self._address.reached_s, 0.0)
        self._address.fruitless = 0 if self._address.reached_s > self._begun_s else self._address.fruitless + 1
        if reached_s + _WHOLE_S < self._length_s and self._address.fruitless < _FRUITLESS:
            raise OSError(f'the connection ended after {reached_s:.1f} of {self._length_s:.1f} s')
        raise EOFError

    def _is_next(self, time_s: float | None) -> bool:
        """Whether a picture was not given before a break; takes its time as reached then."""
        if not self._length_s or time_s is None:
            return True
        at_s = time_s - self._zero_s
        if self._is_resumed and at_s <= self._begun_s:
            return False
        self._is_resumed = False
        self._address.reached_s = max(self._address.reached_s, at_s)
        return True

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


def _length_s(container: InputContainer, track: VideoStream) -> float:
    """Length in s of the pictures by the header, else of the whole medium; 0 for what is live."""
    if container.duration and track.duration and track.time_base:
        return float(track.duration * track.time_base)
    return (container.duration or 0) * 1e-6
