"""Images of a bag as a source: rosbag2 and ROS 1, raw and compressed images, stamped by their headers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from affect_perception.core.message_readers import rgb_from_msg, stamp_from_msg
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources.bags.message_types import AFFECT, TRACKS
from affect_perception.sources.bags.reader import BagReader
from affect_perception.types import Frame

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_DEPTH = ('16UC1', '32FC1')  # as REP 118 wants depth; never the pictures of people
_LOOK = 50  # messages from which the frame rate is taken


class Bag:
    """The images of one topic. Frames carry the stamp and frame_id of their header.

    An image whose header has no stamp (0) gets the time of its recording; one that cannot be used is told to `on_bad`
    and skipped. With `settings.loop` the bag begins again at its end, and the times go on. `length` is the number of
    images. Raises ConfigError for a bag that cannot be read or whose image topic is not clear.
    """

    live = False
    size = None
    dropped = 0

    def __init__(self, path: Path, settings: SourceSettings, on_bad):
        self.name = path.name
        self._loop, self._on_bad = settings.loop, on_bad
        self._reader = BagReader(path, on_bad)
        self.topic = image_topic(self._reader, settings.bag_topic)
        self.length = self._reader.counts[self.topic]
        self.fps = self._rate() or settings.fps
        self._closed = False
        self._unstamped = False

    def _rate(self) -> float | None:
        times = np.array([log_ns for _, log_ns, _ in islice(self._reader.messages(self.topic), _LOOK)])
        period_s = float(np.median(np.diff(times))) * 1e-9 if len(times) > 1 else 0.0
        return min(1 / period_s, 1000.0) if period_s > 0 else None

    def __iter__(self) -> Iterator[Frame]:
        shift_ns = 0
        while not self._closed:
            first_ns = last_ns = None
            for frame in self._play(shift_ns):
                first_ns = frame.stamp_ns if first_ns is None else first_ns
                last_ns = frame.stamp_ns
                yield frame
            if not self._loop or first_ns is None:
                return
            shift_ns += last_ns - first_ns + round(1e9 / self.fps)

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

    def _stamp_ns(self, msg, log_ns: int) -> int:
        stamp = stamp_from_msg(msg.header.stamp)
        if stamp:
            return stamp
        if not self._unstamped:
            self._unstamped = True
            text = f'{self.topic} has images without a stamp; they get the time of their recording'
            self._on_bad(BadInputError('stamp', text))
        return log_ns

    def close(self) -> None:
        self._closed = True


def image_topic(reader: BagReader, wanted: str) -> str:
    """`wanted`, or the only topic with pictures of a camera; ConfigError lists what there is.

    Depth does not count, nor does the compressed form of a topic that is there raw.
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
        raise ConfigError(f'{reader.path} holds no images; its topics: {listed(reader)}{hint}')
    return names[0]


def choose_topic(reader: BagReader, wanted: str, types: tuple[str, ...]) -> str:
    """The topic of one of `types` that `wanted` names, with or without `/`; if it is empty, the only one."""
    fitting = [name for name, kind in reader.topics.items() if kind in types and reader.counts[name]]
    named = [name for name in fitting if name == wanted or name == f'/{wanted}'] if wanted else fitting
    if len(named) == 1:
        return named[0]
    what = f'messages of {" or ".join(types)}' + (f' on {wanted}' if wanted else '')
    if named:
        raise ConfigError(f'{reader.path} has {what} on {len(named)} topics; choose: --bag-topic {" or ".join(named)}')
    raise ConfigError(f'{reader.path} holds no {what}; its topics: {listed(reader)}')


def listed(reader: BagReader) -> str:
    """The topics of a bag in words, each with type and number of messages."""
    return ', '.join(f'{name} ({kind}, {reader.counts[name]})' for name, kind in sorted(reader.topics.items()))


def _is_depth(reader: BagReader, name: str) -> bool:
    first = reader.first(name)
    if first is None:
        return False
    return 'compressedDepth' in first.format if hasattr(first, 'format') else first.encoding in _DEPTH
