"""Image sources behind one protocol: `open_source(settings, on_bad)` opens a `Source` of frames.

Recorded sources (scene, video file, folder, bag) never drop a frame: the caller sets the pace. Their stamps begin at
0 ns, except those of bags, which are the recorded ones. Live sources (camera, RealSense, stream) stamp with epoch
nanoseconds at arrival, keep only the newest frame and count overwritten ones in `dropped`.

Not here: images from ROS topics (`nodes/face_tracker_node.py`) and decoding of single images (`core/images/`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from affect_perception.errors import BadInputError, ConfigError, untrusted
from affect_perception.runtime.files import text_of_name
from affect_perception.settings import SourceSettings
from affect_perception.sources.addresses import SCHEMES, check_address, scheme_of
from affect_perception.types import Frame

KINDS = (
    'scene, camera:N, camera:NAME, realsense[:SERIAL], topic:NAME, a video file, a bag, an image, an image folder, '
    'a stream URL, auto'
)

STREAMS = tuple(f'{scheme}://' for scheme in SCHEMES)

BadInputCallback = Callable[[BadInputError], None]  # gets each unusable input; may run in a thread of the source


class Source(Protocol):
    """An iterable of frames."""

    name: str
    live: bool
    fps: float

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) in px, None where frames differ or before the first one."""

    @property
    def dropped(self) -> int:
        """Frames overwritten by newer ones before they were read."""

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """End the iteration; may be called from another thread."""


def open_source(settings: SourceSettings, on_bad: BadInputCallback) -> Source:
    """Open the source that `settings.source` names, ready to read.

    `on_bad` gets every unusable image and every break of a stream while the source runs, possibly in a thread of the
    source. Raises ConfigError for a source that cannot be opened.
    """
    text = settings.source
    with untrusted(repr(text_of_name(text))[:200]):
        return _open(text, settings, on_bad)


def _open(text: str, settings: SourceSettings, on_bad: BadInputCallback) -> Source:
    for prefix, opener in OPENERS.items():
        if text == prefix or (prefix.endswith((':', '/')) and text.startswith(prefix)):
            return opener(settings, on_bad)
    if scheme_of(text):
        return _open_stream(settings, on_bad)
    return _open_path(settings, on_bad)


def check_source(text: str) -> None:
    """Refuse a source that cannot be opened, by what costs no time: names of files, cameras, topics and schemes.

    Raises ConfigError; a source that passes may still turn out to be unusable when it is opened.
    """
    with untrusted(repr(text_of_name(text))[:200]):
        _check_source(text)


def _check_source(text: str) -> None:
    if text.startswith('topic:'):
        topic = text.removeprefix('topic:')
        if not re.fullmatch(r'~?/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', topic, re.ASCII):
            raise ConfigError(f'{topic!r} is no name of a topic; wanted one such as topic:/camera/image_raw')
    elif scheme_of(text):
        check_address(text)
    elif text.startswith('camera') or text.startswith('/dev/'):
        from affect_perception.sources.camera import camera_number

        camera_number(text)
    elif text not in OPENERS and not text.startswith('realsense:') and not Path(text).expanduser().exists():
        raise _no_such_source(text)


def _no_such_source(text: str) -> ConfigError:
    if text.startswith(('/', '.', '~')) or Path(text).suffix or '/' in text:
        return ConfigError(f'no file or folder {text_of_name(text)!r}')
    return ConfigError(f'unknown source {text!r}; choose one of: {KINDS}')


def _open_scene(settings: SourceSettings, _: BadInputCallback) -> Source:
    from affect_perception.sources.scene.scene import Scene

    script = None
    if settings.scene_speech:
        from affect_perception.sources.scene.dialogue import speaking_script

        script = speaking_script(settings)
    return Scene(
        settings.width,
        settings.height,
        settings.fps,
        settings.scene_people,
        settings.scene_seed,
        settings.scene_portraits,
        script=script,
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
    from affect_perception.sources.folder import ImageFolder
    from affect_perception.sources.video import open_file

    path = Path(settings.source).expanduser()
    if path.exists() and is_bag(path):
        from affect_perception.sources.bags.source import BagImages

        return BagImages(path, settings, on_bad)
    if path.is_dir():
        return ImageFolder(path, settings, on_bad)
    if path.is_file():
        return open_file(path, settings, on_bad)
    raise _no_such_source(settings.source)


def _refuse_topic(settings: SourceSettings, _: BadInputCallback) -> Source:
    topic = settings.source.removeprefix('topic:')
    raise ConfigError(f'{settings.source!r} is read by the tracker itself: set its parameter image_topic to {topic!r}')


# Prefix of `settings.source` -> opener, first match first; any other text is a path.
OPENERS: dict[str, Callable[[SourceSettings, BadInputCallback], Source]] = {
    'auto': _open_auto,
    'scene': _open_scene,
    'camera': _open_camera,
    'camera:': _open_camera,
    '/dev/': _open_camera,
    'realsense': _open_realsense,
    'realsense:': _open_realsense,
    'topic:': _refuse_topic,
}
