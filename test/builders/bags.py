"""Rosbags for tests, written as the recorders of ROS write them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from builders.images import plain

pytest.importorskip('rosbags', reason='needs rosbags (pip install affect-perception[bags])')

from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

ROS2, ROS1 = get_typestore(Stores.ROS2_HUMBLE), get_typestore(Stores.ROS1_NOETIC)
EPOCH_NS = 1_700_000_000_000_000_000
PERIOD_NS = 50_000_000
STORAGE = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}


def header(stamp_ns: int, store=ROS2):
    names = {'stamp': store.types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)}
    if store is ROS1:
        names['seq'] = 0
    return store.types['std_msgs/msg/Header'](**names, frame_id='camera')


def image(rgb: np.ndarray, stamp_ns: int, store=ROS2, encoding: str = 'rgb8'):
    height, width = rgb.shape[:2]
    data = {'rgb8': rgb, 'bgr8': rgb[..., ::-1], 'mono8': rgb[..., 0]}[encoding]
    data = np.ascontiguousarray(data).reshape(-1)
    kind = store.types['sensor_msgs/msg/Image']
    return kind(header(stamp_ns, store), height, width, encoding, 0, len(data) // height, data)


def depth(stamp_ns: int, store=ROS2):
    data = np.full(2 * 64 * 48, 3, np.uint8)
    return store.types['sensor_msgs/msg/Image'](header(stamp_ns, store), 48, 64, '16UC1', 0, 128, data)


def compressed(rgb: np.ndarray, stamp_ns: int, store=ROS2):
    data = cv2.imencode('.png', rgb[..., ::-1])[1].reshape(-1)
    return store.types['sensor_msgs/msg/CompressedImage'](header(stamp_ns, store), 'rgb8; png compressed bgr8', data)


def shades(count: int, make=image, **options) -> list:
    """(time of recording, message) of `count` images, each stamped 20 ms before its recording."""
    stamps = [EPOCH_NS + i * PERIOD_NS for i in range(count)]
    return [(t + 20_000_000, make(plain(10 * i), t, **options)) for i, t in enumerate(stamps)]


def write_bag2(path: Path, topics: dict[str, list], storage: str = 'mcap', compression: str = '', store=ROS2) -> Path:
    writer = Writer(path, version=8, storage_plugin=STORAGE[storage])
    if compression:
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    with writer:
        _write(writer, topics, store, store.serialize_cdr)
    return path


def write_bag1(path: Path, topics: dict[str, list], compression: str = '') -> Path:
    writer = Writer1(path)
    if compression:
        writer.set_compression(Writer1.CompressionFormat[compression.upper()])
    with writer:
        _write(writer, topics, ROS1, ROS1.serialize_ros1)
    return path


def _write(writer, topics: dict[str, list], store, serialise) -> None:
    connections = {t: writer.add_connection(t, m[0][1].__msgtype__, typestore=store) for t, m in topics.items()}
    messages = [(log_ns, topic, msg) for topic, found in topics.items() for log_ns, msg in found]
    for log_ns, topic, msg in sorted(messages, key=lambda m: m[:2]):
        writer.write(connections[topic], log_ns, serialise(msg, msg.__msgtype__))
