"""Sources of sound behind one protocol: `open_sound` opens a `SoundSource` of blocks of samples.

Recorded sources (file, clip, scene) never drop a sample: the caller sets the pace, and stamps are those of the medium,
as of its images. Live sources (microphone, address) stamp with epoch ns when the samples were taken.

Not here: sound from ROS topics (`nodes/audio_node.py`) and the decoding of PCM (`core/sound.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from affect_perception.core.sound import SoundBlock
from affect_perception.errors import ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import STREAMS

KINDS = 'off, auto, microphone, microphone:NUMBER or microphone:NAME, scene, topic:NAME, a media file, a stream URL'


class SoundSource(Protocol):
    """An iterable of consecutive blocks; a live one raises OSError when the device or connection is over."""

    name: str
    live: bool
    exact: bool  # stamps without jitter

    def __iter__(self) -> Iterator[SoundBlock]: ...

    def close(self) -> None:
        """End the iteration; may be called from another thread."""


def chosen_sound(audio: str, source: str) -> str:
    """Sound that the setting `audio` means beside the image source `source`; '' for none.

    `auto`: the sound of a file, address or the scene that the images come from, else the microphone; none for image
    folders, bags and topics, whose sound is not known.
    """
    if audio == 'off':
        return ''
    if audio != 'auto':
        return audio
    if source == 'scene' or source.startswith(STREAMS):
        return source
    path = Path(source).expanduser()
    if path.is_file() and path.suffix not in ('.mcap', '.db3', '.bag'):
        return source
    if path.is_dir() or source.startswith('topic:'):
        return ''
    return 'microphone'


def open_sound(audio: str, source: SourceSettings) -> SoundSource:
    """Open the sound that `audio` names; `source` are the settings of the images, for the scene.

    ConfigError for what cannot be opened: no device, no file, no audio track, a package that is not installed.
    """
    if audio == 'scene':
        from affect_perception.sources.sound.scene import scene_sound

        return scene_sound(source)
    if audio == 'microphone' or audio.startswith('microphone:'):
        from affect_perception.sources.sound.microphone import Microphone

        return Microphone(audio.partition(':')[2])
    from affect_perception.sources.sound.media import MediaSound

    if audio.startswith(STREAMS):
        return MediaSound(audio)
    path = Path(audio).expanduser()
    if not path.is_file():
        raise ConfigError(f'no sound {audio!r}; choose one of: {KINDS}')
    return MediaSound(path)
