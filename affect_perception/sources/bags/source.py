"""Images of a rosbag as a source: rosbag2 and ROS 1, raw and compressed, stamped by their headers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from affect_perception.core.message_readers import rgb_from_msg, stamp_from_msg
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.bags.message_types import AFFECT, TRACKS
from affect_perception.sources.bags.reader import BagReader
from affect_perception.types import Frame

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_DEPTH = ('16UC1', '32FC1')  # encodings of depth (REP 118), never of colour images
_RATE_MESSAGES = 50  # from which the frame rate is estimated


class BagImages:
    """Source of the images of one topic; frames have the stamp and frame_id of their header.

    An image without a stamp (0) gets its time of recording; an unusable one is reported to `on_bad` and skipped. With
    `settings.loop` playback restarts at the end and stamps go on. `length` is the number of images. Raises ConfigError
    for an unreadable bag or an ambiguous image topic.
    """

    live = False
    size = None
    dropped = 0

    def __init__(self, path: Path, settings: SourceSettings, on_bad: BadInputCallback) -> None:
        self.name = path.name
        self._loop, self._on_bad = settings.loop, on_bad
        self._reader = BagReader(path, on_bad)
        self.topic = image_topic(self._reader, settings.bag_topic)
        self.length = self._reader.counts[self.topic]
        self.fps = self._rate() or settings.fps
        self._closed = False
        self._unstamped = False

    def _rate(self) -> float | None:
        times = np.array([log_ns for _, log_ns, _ in islice(self._reader.messages(self.topic), _RATE_MESSAGES)])
        period_s = float(np.median(np.diff(times))) * 1e-9 if len(times) > 1 else 0.0
        return min(1 / period_s, 1000.0) if period_s > 0 else None

    def __iter__(self) -> Iterator[Frame]:
        shift_ns = 0
        while not self._closed:
            stamps_ns: list[int] = []
            for frame in self._play(shift_ns):
                stamps_ns[1:] = [frame.stamp_ns]  # the first and the last
                yield frame
            if not self._loop or not stamps_ns:
                return
            shift_ns += stamps_ns[-1] - stamps_ns[0] + round(1e9 / self.fps)

    def _play(self, shift_ns: int) -> Iterator[Frame]:
        for topic, log_ns, data in self._reader.messages(self.topic):
            if self._closed:
                return
            try:
                msg = topic.decode(data)
                frame = Frame(shift_ns + self._stamp_ns(msg, log_ns), msg.header.frame_id, rgb_from_msg(msg))
            except BadInputError as error:
                self._on_bad(error)
            else:
                yield frame

    def _stamp_ns(self, msg: Any, log_ns: int) -> int:
        stamp = stamp_from_msg(msg.header.stamp)
        if stamp:
            return stamp
        if not self._unstamped:
            self._unstamped = True
            text = f'{self.topic} has images without a stamp; they get the time of their recording'
            self._on_bad(BadInputError('stamp', text))
        return log_ns

    def close(self) -> None:
        """End the iteration after the current image."""
        self._closed = True


def image_topic(reader: BagReader, wanted: str) -> str:
    """Choose the image topic: `wanted`, else the only one with colour images; ConfigError lists the topics.

    Depth topics and the compressed twin of a raw topic do not count.
    """
    if wanted:
        return choose_topic(reader, wanted, (RAW, COMPRESSED))
    names = [name for name, kind in reader.topics.items() if kind in (RAW, COMPRESSED) and reader.counts[name]]
    if len(names) > 1:
        names = [name for name in names if not _is_depth(reader, name)] or names
        names = [name for name in names if name.removesuffix('/compressed') == name or name[:-11] not in names]
    if len(names) > 1:
        raise ConfigError(f'{reader.path} has {len(names)} image topics; choose one: --bag-topic {" or ".join(names)}')
    if not names:
        ours = {TRACKS: 'tracks', AFFECT: 'affect'}
        recorded = [ours[kind] for name, kind in reader.topics.items() if kind in ours and reader.counts[name]]
        hint = f'; its results can be used: evaluate --from {" or ".join(sorted(set(recorded)))}' if recorded else ''
        raise ConfigError(f'{reader.path} holds no images; its topics: {list_topics(reader)}{hint}')
    return names[0]


def choose_topic(reader: BagReader, wanted: str, types: tuple[str, ...]) -> str:
    """Choose the topic of one of `types` named `wanted`, with or without `/`; the only one if `wanted` is empty."""
    fitting = [name for name, kind in reader.topics.items() if kind in types and reader.counts[name]]
    named = [name for name in fitting if name == wanted or name == f'/{wanted}'] if wanted else fitting
    if len(named) == 1:
        return named[0]
    what = f'messages of {" or ".join(types)}' + (f' on {wanted}' if wanted else '')
    if named:
        raise ConfigError(f'{reader.path} has {what} on {len(named)} topics; choose: --bag-topic {" or ".join(named)}')
    raise ConfigError(f'{reader.path} holds no {what}; its topics: {list_topics(reader)}')


def list_topics(reader: BagReader) -> str:
    """List the topics of a bag as text, each with type and number of messages."""
    return ', '.join(f'{name} ({kind}, {reader.counts[name]})' for name, kind in sorted(reader.topics.items()))


def _is_depth(reader: BagReader, name: str) -> bool:
    first = reader.first(name)
    if first is None:
        return False
    return 'compressedDepth' in first.format if hasattr(first, 'format') else first.encoding in _DEPTH
