"""Where pictures come from, behind one protocol: `open_source(settings, on_bad)` gives a `Source`.

Recorded sources (scene, video file, folder, bag) never drop a frame: the caller decides how fast to read. They stamp
from 0 ns on, except bags, whose frames keep their recorded stamps. Live sources (camera, RealSense, stream) stamp with
epoch nanoseconds when a frame is grabbed, keep only the newest and count in `dropped` what they overwrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.types import Frame

KINDS = (
    'scene, camera:N, realsense[:SERIAL], topic:NAME, a video file, a bag, an image, an image folder, '
    'a stream URL, auto'
)
STREAMS = ('http://', 'https://', 'rtsp://', 'rtsps://', 'tcp://', 'udp://')

BadInputCallback = Callable[[BadInputError], None]


class Source(Protocol):
    """A sequence of frames. `size` is (width, height) in px, or None where frames differ or it is not known yet."""

    name: str
    live: bool
    fps: float
    size: tuple[int, int] | None
    dropped: int

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Ends the iteration, also from another thread."""


def open_source(settings: SourceSettings, on_bad: BadInputCallback) -> Source:
    """The source that `settings.source` names, ready to read.

    `on_bad` is told of every picture that cannot be used and every break of a stream, while running, possibly from a
    thread of the source. Raises ConfigError for what cannot be opened at all.
    """
    text = settings.source
    for prefix, opener in OPENERS.items():
        if text == prefix or (prefix.endswith((':', '/')) and text.startswith(prefix)):
            return opener(settings, on_bad)
    return _open_path(settings, on_bad)


def _open_scene(settings: SourceSettings, on_bad: BadInputCallback) -> Source:
    from affect_perception.sources.scene.scene import Scene

    return Scene(
        settings.width,
        settings.height,
        settings.fps,
        settings.scene_people,
        settings.scene_seed,
        settings.scene_portraits,
        frame_id=settings.frame_id,
    )


def _open_auto(settings: SourceSettings, on_bad: BadInputCallback) -> Source:
    from affect_perception.sources.camera import cameras

    for index in cameras():
        try:
            return _open_camera(settings.changed(source=f'camera:{index}'), on_bad)
        except ConfigError:
            continue
    return _open_scene(settings, on_bad)


def _open_camera(settings: SourceSettings, on_bad: BadInputCallback) -> Source:
    from affect_perception.sources.camera import open_camera

    return open_camera(settings, on_bad)


def _open_realsense(settings: SourceSettings, on_bad: BadInputCallback) -> Source:
    from affect_perception.sources.realsense import open_realsense

    return open_realsense(settings, on_bad)


def _open_stream(settings: SourceSettings, on_bad: BadInputCallback) -> Source:
    from affect_perception.sources.stream import open_stream

    return open_stream(settings, on_bad)


def _open_path(settings: SourceSettings, on_bad: BadInputCallback) -> Source:
    from affect_perception.sources.bags.files import is_bag
    from affect_perception.sources.folder import Folder
    from affect_perception.sources.video import open_file

    path = Path(settings.source).expanduser()
    if path.exists() and is_bag(path):
        from affect_perception.sources.bags.source import Bag

        return Bag(path, settings, on_bad)
    if path.is_dir():
        return Folder(path, settings, on_bad)
    if path.is_file():
        return open_file(path, settings, on_bad)
    if settings.source.startswith(('/', '.', '~')) or path.suffix or '/' in settings.source:
        raise ConfigError(f'no file or folder {settings.source!r}')
    raise ConfigError(f'unknown source {settings.source!r}; choose one of: {KINDS}')


def _refuse_topic(settings: SourceSettings, on_bad: BadInputCallback) -> Source:
    topic = settings.source.removeprefix('topic:')
    raise ConfigError(f'{settings.source!r} is read by the tracker itself: set its parameter image_topic to {topic!r}')


# What a source's name begins with, in the order of looking; anything else is a path.
OPENERS: dict[str, Callable[[SourceSettings, BadInputCallback], Source]] = {
    'auto': _open_auto,
    'scene': _open_scene,
    'camera': _open_camera,
    'camera:': _open_camera,
    '/dev/video': _open_camera,
    'realsense': _open_realsense,
    'realsense:': _open_realsense,
    'topic:': _refuse_topic,
    **dict.fromkeys(STREAMS, _open_stream),
}
