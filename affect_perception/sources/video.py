"""Video files and single images as sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affect_perception.errors import BadInputError, ConfigError
from affect_perception.runtime.files import text_of_name
from affect_perception.settings import SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.container import (
    clock_start_s,
    describe_tracks,
    library,
    open_container,
    picture_track,
    rate_of,
    reason_of,
)
from affect_perception.sources.file_kinds import (
    IMAGE,
    OTHER,
    READ,
    READ_IN_PART,
    START,
    FileKind,
    FileStatus,
    kind_of_start,
)
from affect_perception.sources.folder import ImageFolder
from affect_perception.sources.pictures import PictureConverter
from affect_perception.types import Frame

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_RESTART_S = 0.5  # a larger step back of the times is a new recording, whose times go on; a smaller one is jitter
_COMPLETE = 0.9  # share of the length in the header from which a file counts as whole


def open_file(path: Path, settings: SourceSettings, on_bad: BadInputCallback) -> VideoFile | ImageFolder:
    """Open a video, or one image as a folder of one, told apart by content; ConfigError for a file that is neither."""
    try:
        with path.open('rb') as file:
            start = file.read(START)
    except OSError as error:
        raise ConfigError(f'{text_of_name(path)} cannot be read: {error.strerror}') from None
    kind = kind_of_start(start) if start else FileKind(OTHER, 'is empty')
    if kind is None:
        return VideoFile(path, settings, on_bad)
    if kind.kind == IMAGE:
        return ImageFolder(path, settings, on_bad)
    raise ConfigError(f'{text_of_name(path)} {kind.reason}; wanted an image, or a video that FFmpeg can read')


class VideoFile:
    """Source of the pictures of any container and codec that FFmpeg reads, found by content.

    Stamps are the medium's own times, so a picture track that begins later than the sound does not begin at 0. Pictures
    are as players show them (`pictures.py`). With `settings.loop` playback restarts at the end and stamps go on.
    `on_bad` gets a report of a file that ends early and of packets that cannot be decoded. Raises ConfigError for a
    file without a picture.
    """

    live = False
    dropped = 0
    time_zero_s = 0.0  # stamps are those of the clock of the medium
    lap_ns = 0  # added to them in this pass over a looped file

    def __init__(self, path: Path, settings: SourceSettings, on_bad: BadInputCallback) -> None:
        self.name = text_of_name(path.name)
        self._shown = text_of_name(path)
        self._path, self._loop, self._frame_id, self._on_bad = path, settings.loop, settings.frame_id, on_bad
        self._problems: list[str] = []
        self._closed = False
        with closing(self._open()) as container:
            track = self._track(container)
            check = _Playback(container, track, 1.0)
            try:
                first = next(check.pictures(), None)
            except BadInputError as error:
                raise ConfigError(f'{self._shown}: {error}') from None
            if first is None:
                raise ConfigError(f'{self._shown} has no picture that can be decoded{check.lost_reason}')
            self.size: tuple[int, int] = (first[1].shape[1], first[1].shape[0])
            self.fps = rate_of(track) or settings.fps
            self.length = track.frames or round(check.length_s * self.fps) or None

    @property
    def file_statuses(self) -> list[FileStatus]:
        """Status of the file, as far as it has been read."""
        return [FileStatus(self.name, READ_IN_PART if self._problems else READ, '; '.join(self._problems))]

    def _report(self, kind: str, text: str) -> None:
        self._problems.append(text)
        self._on_bad(BadInputError(kind, f'{self._shown} {text}'))

    def _open(self) -> InputContainer:
        try:
            return open_container(self._path)
        except ConfigError as error:
            raise ConfigError(f'{self._shown} is neither an image nor a video that FFmpeg can read ({error})') from None

    def _track(self, container: InputContainer) -> VideoStream:
        track = picture_track(container)
        if track is None:
            held = describe_tracks(container)
            raise ConfigError(f'{self._shown} holds {held}, but no moving pictures that FFmpeg can decode')
        return track

    def __iter__(self) -> Iterator[Frame]:
        start_ns = 0
        while not self._closed:
            self.lap_ns, last_ns = start_ns, start_ns - 1
            for stamp_ns, rgb in self._play():
                last_ns = max(start_ns + stamp_ns, last_ns + 1)
                yield Frame(last_ns, self._frame_id, rgb)
            if not self._loop or last_ns < start_ns:
                return
            start_ns = last_ns + round(1e9 / self.fps)

    def _play(self) -> Iterator[tuple[int, np.ndarray]]:
        with closing(self._open()) as container:
            playback = _Playback(container, self._track(container), self.fps)
            try:
                for picture in playback.pictures():
                    yield picture
                    if self._closed:
                        return
            except BadInputError as error:  # a size that changes to an unusable one
                self._report(error.kind, f'cannot be read after {playback.count} frames: {error}')
                return
        if playback.lost:
            self._report('video', f'has {playback.lost} packets that cannot be decoded{playback.lost_reason}')
        if playback.is_short:
            expected = max(self.length or 0, playback.count + 1)
            self._report('video', f'ends after {playback.count} of {expected} frames; the rest cannot be read')

    def close(self) -> None:
        """End the iteration after the current frame."""
        self._closed = True


class _Playback:
    """One pass over the picture track of an open file."""

    def __init__(self, container: InputContainer, track: VideoStream, fps: float) -> None:
        self._container, self._track, self._fps = container, track, fps
        self._start_s = clock_start_s(container)
        self._covered_s = 0.0  # time on the clock that packets were read for, of any track
        self._shift_ns = 0  # added to the times after a restart of them
        self._last_ns: int | None = None
        self._reason = ''
        self.count = self.lost = 0
        self.length_s = self._length_s()
        self._counts_from_0 = container.format.name == 'avi'  # has no times, and FFmpeg counts the decoder's delay
        track.thread_type = 'AUTO'

    def _length_s(self) -> float:
        """Length in s by the header: of the picture track, else of the whole medium; 0 where unknown.

        (PyAV crashes on properties of a track whose container is closed.)
        """
        track, rate = self._track, rate_of(self._track)
        if self._container.format.name == 'avi' and track.frames and rate:  # FFmpeg shortens the rest to the file
            return track.frames / rate
        if track.duration and track.time_base:
            return float(((track.start_time or 0) + track.duration) * track.time_base - self._start_s)
        return (self._container.duration or 0) / 1e6

    @property
    def is_short(self) -> bool:
        """Whether the file ended well before the length in its header."""
        return self._covered_s < _COMPLETE * self.length_s - 2 / self._fps

    @property
    def lost_reason(self) -> str:
        """Reason of the first packet that could not be decoded, in brackets; empty without one."""
        return f' ({self._reason})' if self._reason else ''

    def pictures(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (stamp in ns, RGB) of every picture in the order of showing."""
        converter = PictureConverter(self._track)
        for frame in self._frames():
            for ready, rgb in converter.push(frame):
                yield self._stamp_ns(ready), rgb
        for ready, rgb in converter.push(None):
            yield self._stamp_ns(ready), rgb

    def _frames(self) -> Iterator[VideoFrame]:
        av = library()
        packets = self._container.demux()
        while True:
            try:
                packet = next(packets, None)
            except (OSError, ValueError, av.error.FFmpegError) as error:
                self.lost, self._reason = self.lost + 1, self._reason or reason_of(error)
                return
            if packet is None:
                return
            self._cover(packet)
            if packet.stream.index != self._track.index:
                continue
            try:
                frames = self._track.decode(packet)
            except (OSError, ValueError, av.error.FFmpegError) as error:
                self.lost, self._reason = self.lost + 1, self._reason or reason_of(error)
                continue
            yield from frames

    def _cover(self, packet: Packet) -> None:
        begin = packet.pts if packet.pts is not None else packet.dts
        if begin is not None and packet.time_base:
            end_s = float((begin + (packet.duration or 0)) * packet.time_base - self._start_s)
            self._covered_s = max(self._covered_s, end_s)

    def _stamp_ns(self, frame: VideoFrame) -> int:
        """Time of a picture on the clock of the medium; where the file has none, one period after the last."""
        self.count += 1
        period_ns = round(1e9 / self._fps) if self._fps else 0
        expected_ns = 0 if self._last_ns is None else self._last_ns + period_ns
        time = frame.pts if frame.pts is not None else frame.dts
        if time is None or frame.time_base is None:
            stamp_ns = expected_ns
        else:
            stamp_ns = round((time * frame.time_base - self._start_s) * 1_000_000_000) + self._shift_ns
            if self._last_ns is None and (stamp_ns < 0 or self._counts_from_0):
                self._shift_ns, stamp_ns = -stamp_ns, 0
            if self._last_ns is not None and stamp_ns < self._last_ns - _RESTART_S * 1e9:
                self._shift_ns += expected_ns - stamp_ns
                stamp_ns = expected_ns
        self._last_ns = stamp_ns
        return stamp_ns
