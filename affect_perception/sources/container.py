"""Media containers by PyAV (FFmpeg): open a file or an address, its picture track, and the zero of its clock.

Shared by pictures and sound: both count from `clock_start_s`, so that they fit each other and labels of the medium.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect_perception.errors import ConfigError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_MICROSECONDS = 1_000_000


def library() -> Any:
    """Import PyAV, with FFmpeg's own messages off; ConfigError where it is not installed."""
    try:
        import av
        import av.logging
    except ImportError as error:
        raise ConfigError(f'videos need PyAV ({error}): pip install av') from None
    av.logging.set_level(None)
    av.logging.set_libav_level(av.logging.PANIC)
    return av


def open_container(target: Path | str, timeout_s: float | None = None, **options: str) -> InputContainer:
    """Open a media file (a `Path`) or an address (text) for reading; its format is found by content, not by name.

    A file cannot make FFmpeg read other files or addresses. `timeout_s` limits the opening and each read of an address;
    `options` are FFmpeg's, of the protocol and the format. Raises ConfigError with FFmpeg's reason.
    """
    av = library()
    if isinstance(target, Path):
        name = os.path.abspath(target)  # a relative name could begin as an address does
        options = {'protocol_whitelist': 'file', **options}
    else:
        name = target
    try:
        container: InputContainer = av.open(name, 'r', options=options, timeout=timeout_s, metadata_errors='replace')
    except (OSError, ValueError, UnicodeError, av.error.FFmpegError) as error:
        raise ConfigError(reason_of(error)) from None
    return container


def reason_of(error: BaseException) -> str:
    """FFmpeg's reason in one line, without error numbers and the address, which may hold a password."""
    return ' '.join(str(getattr(error, 'strerror', None) or error).split())[:200] or type(error).__name__


def picture_track(container: InputContainer) -> VideoStream | None:
    """The best track of moving pictures; None without one. Cover pictures of music do not count."""
    av = library()
    tracks = [
        track
        for track in container.streams.video
        if not track.disposition & (av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails)
        and track.codec_context is not None
    ]
    return max(tracks, key=lambda t: (bool(t.disposition & av.stream.Disposition.default), _area(t)), default=None)


def describe_tracks(container: InputContainer) -> str:
    """Kinds of the tracks of a container without pictures, in words."""
    return ' and '.join(sorted({str(stream.type) for stream in container.streams})) or 'nothing'


def _area(track: VideoStream) -> int:
    return (track.width or 0) * (track.height or 0)


def clock_start_s(container: InputContainer) -> Fraction:
    """Time in s that players show as 0: the earliest start of all tracks.

    A start before 0 is the lead-in of a sound encoder; players do not count it.
    """
    return Fraction(max(container.start_time or 0, 0), _MICROSECONDS)


def rate_of(track: VideoStream) -> float:
    """Frames per second of a track by its header; 0 where unknown."""
    for rate in (track.average_rate, track.guessed_rate, track.base_rate):
        if rate and 0 < rate <= 1000:
            return float(Fraction(rate))
    return 0.0
