"""Sources of sound behind one protocol: `open_sound` opens a `SoundSource` of blocks of samples, or of features.

Recorded sources (file, clip, bag, scene) never drop a sample: the caller sets the pace, and stamps are those of the
medium, as of its images. Live sources (microphone, address) stamp with epoch ns when the samples were taken.

Not here: sound from ROS topics (`nodes/audio_node.py`) and the decoding of PCM (`core/sound.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from affect_perception.core.sound import AudioFeatures, SoundBlock
from affect_perception.errors import ConfigError
from affect_perception.runtime.masking import masked
from affect_perception.settings import AudioSettings, SourceSettings
from affect_perception.sources import STREAMS, BadInputCallback
from affect_perception.sources.bags.files import is_bag

KINDS = (
    'off, auto, microphone, microphone:NUMBER or microphone:NAME, scene, topic:NAME, a media file, a bag, a stream URL'
)


class SoundSource(Protocol):
    """An iterable of consecutive blocks, or of recorded features.

    A live one raises OSError when the device or connection is over.
    """

    name: str
    live: bool
    exact: bool  # stamps without jitter

    def __iter__(self) -> Iterator[SoundBlock | AudioFeatures]: ...

    def close(self) -> None:
        """End the iteration; may be called from another thread."""


def chosen_sound(audio: str, source: str) -> str:
    """Sound that the setting `audio` means beside the image source `source`; '' for none.

    `auto`: the sound of a file, bag, address or the scene that the images come from, else the microphone; none for
    image folders and topics, whose sound is not known.
    """
    if audio == 'off':
        return ''
    if audio != 'auto':
        return audio
    if source == 'scene' or source.startswith(STREAMS):
        return source
    path = Path(source).expanduser()
    if path.is_file() or (path.is_dir() and is_bag(path)):
        return source
    if path.is_dir() or source.startswith('topic:'):
        return ''
    return 'microphone'


def shares_clock(sound: str, images: str) -> bool:
    """Whether recorded sound has the clock of the images: both are of bags, or of a medium, folder or scene (from 0).

    Where it has not, as beside a camera, the sound begins with the first image.
    """
    path = Path(images).expanduser()
    recorded = images == 'scene' or path.exists()
    return recorded and is_bag(Path(sound).expanduser()) == is_bag(path)


def open_sound(audio: str, source: SourceSettings, settings: AudioSettings, on_bad: BadInputCallback) -> SoundSource:
    """Open the sound that `audio` names; `source` are the settings of the images, for the scene.

    `settings` tell the format of samples in bags; `on_bad` gets unusable messages of bags.

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
    if path.exists() and is_bag(path):
        from affect_perception.sources.sound.bag import BagSound

        return BagSound(path, settings, on_bad)
    if not path.is_file():
        raise ConfigError(f'no sound {masked(audio)!r}; choose one of: {KINDS}')
    return MediaSound(path)
