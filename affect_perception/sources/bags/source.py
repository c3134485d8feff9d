"""Images of a rosbag as a source: rosbag2 and ROS 1, raw and compressed, stamped by their headers."""

from __future__ import annotations

import contextlib
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
from affect_perception.sources.bags.video_messages import VIDEO_TYPES, VideoMessages, codec_of
from affect_perception.types import Frame

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_DEPTH = ('16UC1', '32FC1')  # encodings of depth (REP 118), never of colour images
IMAGES = (RAW, COMPRESSED, *VIDEO_TYPES)
_TRANSPORTS = ('compressed', 'ffmpeg', 'foxglove', 'h264')  # last parts of names of topics of image_transport
_STAMPS = 10  # images whose stamps tell whether stamps are used
_RATE_MESSAGES = 50  # from which the frame rate is estimated


class BagImages:
    """Source of the images of one topic; frames have the stamp and frame_id of their header.

    An image without a stamp (0) gets its time of recording, and so do all where the first ten have stamps that are
    missing or stuck; that is reported to `on_bad` once. Packets of video codecs are decoded. An unusable image is
    reported and skipped. With `settings.loop` playback restarts at the end and stamps go on. `length` is the number of
    images. Raises ConfigError for an unreadable bag, an ambiguous image topic, and a bag of depth alone.
    """

    live = False
    size = None
    dropped = 0
    lap_ns = 0  # added to the stamps in this pass over a looped bag

    def __init__(self, path: Path, settings: SourceSettings, on_bad: BadInputCallback) -> None:
        self.name = path.name
        self._loop, self._on_bad = settings.loop, on_bad
        self._reader = BagReader(path, on_bad)
        self.topic = image_topic(self._reader, settings.bag_topic)
        self.length = self._reader.counts[self.topic]
        self.fps = self._rate() or settings.fps
        self._closed = False
        self._unstamped = False
        self._stamps_unusable = self._has_unusable_stamps()

    def _has_unusable_stamps(self) -> bool:
        """Whether the stamps of the first images are missing, or all the same; reported then."""
        stamps: list[int] = []
        for topic, _, data in islice(self._reader.messages(self.topic), _STAMPS):
            with contextlib.suppress(BadInputError):
                stamps.append(stamp_of(topic.decode(data)))
        unusable = 0 in stamps or (len(stamps) > 1 and len(set(stamps)) == 1)
        if unusable:
            self._unstamped = True
            what = 'without a stamp' if 0 in stamps else f'that are all stamped {stamps[0] / 1e9:.3f} s'
            text = f'{self.topic} has images {what}; all get the time of their recording'
            self._on_bad(BadInputError('stamp', text))
        return unusable

    def _rate(self) -> float | None:
        times = np.array([log_ns for _, log_ns, _ in islice(self._reader.messages(self.topic), _RATE_MESSAGES)])
        period_s = float(np.median(np.diff(times))) * 1e-9 if len(times) > 1 else 0.0
        return min(1 / period_s, 1000.0) if period_s > 0 else None

    def __iter__(self) -> Iterator[Frame]:
        shift_ns = 0
        while not self._closed:
            stamps_ns: list[int] = []
            self.lap_ns = shift_ns
            for frame in self._play(shift_ns):
                stamps_ns[1:] = [frame.stamp_ns]  # the first and the last
                yield frame
            if not self._loop or not stamps_ns:
                return
            shift_ns += stamps_ns[-1] - stamps_ns[0] + round(1e9 / self.fps)

    def _play(self, shift_ns: int) -> Iterator[Frame]:
        decoder: VideoMessages | None = None
        for topic, log_ns, data in self._reader.messages(self.topic):
            if self._closed:
                return
            try:
                msg = topic.decode(data)
                tag = (shift_ns + self._stamp_ns(msg, log_ns), frame_id_of(msg))
                codec = codec_of(msg)
                if codec:
                    decoder = decoder if decoder is not None and decoder.codec == codec else VideoMessages(codec)
                    frames = [Frame(ns, name, rgb) for (ns, name), rgb in decoder.push(bytes(msg.data), tag)]
                else:
                    frames = [Frame(tag[0], tag[1], rgb_from_msg(msg))]
            except BadInputError as error:
                self._on_bad(error)
            else:
                yield from frames
        if decoder is not None:
            yield from (Frame(ns, name, rgb) for (ns, name), rgb in decoder.flush())

    def _stamp_ns(self, msg: Any, log_ns: int) -> int:
        stamp = stamp_of(msg)
        if stamp and not self._stamps_unusable:
            return stamp
        if not self._unstamped:
            self._unstamped = True
            text = f'{self.topic} has images without a stamp; they get the time of their recording'
            self._on_bad(BadInputError('stamp', text))
        return log_ns

    def close(self) -> None:
        """End the iteration after the current image."""
        self._closed = True


def stamp_of(msg: Any) -> int:
    """Stamp in ns of a message with images, of its header or its own; 0 without one."""
    return stamp_from_msg(msg.header.stamp if hasattr(msg, 'header') else msg.timestamp)


def frame_id_of(msg: Any) -> str:
    """frame_id of a message with images."""
    return str(msg.header.frame_id if hasattr(msg, 'header') else msg.frame_id)


def image_topic(reader: BagReader, wanted: str) -> str:
    """Choose the image topic: `wanted`, else the only one with colour images; ConfigError lists the topics.

    Depth topics do not count, nor do those of other transports of one camera, such as the compressed twin of a raw
    topic. A single topic in 16UC1 counts as grey images, unless its name says depth.
    """
    if wanted:
        return choose_topic(reader, wanted, IMAGES)
    names = [name for name, kind in reader.topics.items() if kind in IMAGES and reader.counts[name]]
    depth = [name for name in names if _is_depth(reader, name)]
    if names and len(depth) == len(names) and (len(names) > 1 or _is_surely_depth(reader, names[0])):
        raise ConfigError(
            f'{reader.path} holds depth alone ({", ".join(depth)}), no images of faces; its topics: '
            f'{list_topics(reader)}; --bag-topic takes one as grey images'
        )
    if len(names) > 1:
        names = [name for name in names if name not in depth]
        names = _one_of_each_camera(names)
    if len(names) > 1:
        raise ConfigError(f'{reader.path} has {len(names)} image topics; choose one: --bag-topic {" or ".join(names)}')
    if not names:
        ours = {TRACKS: 'tracks', AFFECT: 'affect'}
        recorded = [ours[kind] for name, kind in reader.topics.items() if kind in ours and reader.counts[name]]
        hint = f'; its results can be used: evaluate --from {" or ".join(sorted(set(recorded)))}' if recorded else ''
        raise ConfigError(f'{reader.path} holds no images; its topics: {list_topics(reader)}{hint}')
    return names[0]


def _one_of_each_camera(names: list[str]) -> list[str]:
    """Topics without those that carry the images of another one: the raw one is kept, else the first of _TRANSPORTS."""
    best: dict[str, tuple[int, str]] = {}
    for name in names:
        base, _, last = name.rpartition('/')
        camera, rank = (base, 1 + _TRANSPORTS.index(last)) if last in _TRANSPORTS else (name, 0)
        best[camera] = min(best.get(camera, (rank, name)), (rank, name))
    return [name for _, name in best.values()]


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


def _is_surely_depth(reader: BagReader, name: str) -> bool:
    first = reader.first(name)
    return 'depth' in name.lower() or hasattr(first, 'format') or getattr(first, 'encoding', '') == '32FC1'
