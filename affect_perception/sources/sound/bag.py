"""Sound of a rosbag: recorded features, else samples of `audio_common_msgs`, with the stamps of the recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from affect_perception.core.message_readers import features_from_msg, sound_from_msg
from affect_perception.core.sound import AudioFeatures, SoundBlock
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import AudioSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.bags.reader import BagReader

FEATURES = 'affect_perception/msg/AudioFeatures'
FUNCTIONALS = 'audio_functionals'  # name of their topic
SAMPLES = tuple(f'audio_common_msgs/msg/{name}' for name in ('AudioDataStamped', 'AudioStamped', 'AudioData'))


class BagSound:
    """Features of a bag, or blocks of samples where it has none; messages without a stamp have that of recording.

    `settings` tell the format of samples whose messages do not. Unusable messages go to `on_bad`. ConfigError for a bag
    without sound.
    """

    live = False

    def __init__(self, path: Path, settings: AudioSettings, on_bad: BadInputCallback) -> None:
        self.name, self._settings, self._on_bad = path.name, settings, on_bad
        self._reader = reader = BagReader(path, on_bad)
        found: dict[str, list[str]] = {}
        for name, kind in reader.topics.items():
            if reader.counts[name]:
                found.setdefault(kind, []).append(name)
        chosen = next((kind for kind in (FEATURES, *SAMPLES) if kind in found), None)
        if chosen is None:
            raise ConfigError(f'{path} holds no sound: no topic of {FEATURES} or audio_common_msgs')
        self.has_features = chosen == FEATURES
        self._topics = found[chosen] if self.has_features else found[chosen][:1]
        self.exact = False
        self._closed = False

    def __iter__(self) -> Iterator[SoundBlock | AudioFeatures]:
        given = self._settings.audio_rate, self._settings.audio_channels, self._settings.audio_format
        for topic, log_ns, data in self._reader.messages(*self._topics):
            if self._closed:
                return
            try:
                msg = topic.decode(data)
                if self.has_features:
                    yield features_from_msg(msg, topic.name.endswith(FUNCTIONALS))
                    continue
                block = sound_from_msg(msg, *given)
                yield block if block.stamp_ns else block.stamped(log_ns)
            except BadInputError as error:
                self._on_bad(error)

    def close(self) -> None:
        """End the iteration after the current message."""
        self._closed = True
