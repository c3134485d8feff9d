"""The corpus of bags as people have them: a builder per bag; each shows the portrait, or is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from builders.bags import EPOCH_NS, PERIOD_NS, ROS1, ROS2, compressed, depth, header, image
from builders.media import portrait
from builders.video_bags import IMAGE, PACKET, VIDEO, compressed_depth, video_messages

COUNT = 6
AT = [EPOCH_NS + i * PERIOD_NS for i in range(COUNT)]
Topics = dict[str, list]


@dataclass(frozen=True)
class Bag:
    """A bag: messages by topic; `refused` is part of what is said of one that cannot be used, `reports` else."""

    topics: Callable[[], Topics]
    reports: tuple[str, ...] = ()
    refused: str = ''
    is_grey: bool = False
    tolerance: float = 4.0
    is_ros1: bool = False


def raw(encoding: str, convert: Callable[[np.ndarray], np.ndarray], stamp=lambda at: at) -> Callable[[], Topics]:
    """Builder of a topic of Image; `convert` gives the values of a row, (H, W·channels)."""

    def message(i: int):
        values = np.ascontiguousarray(convert(portrait(i)))
        data = values.view(np.uint8).reshape(-1)
        kind = ROS2.types['sensor_msgs/msg/Image']
        return kind(header(stamp(AT[i])), 240, 320, encoding, 0, len(data) // 240, data)

    return lambda: {'/image': [(AT[i], message(i)) for i in range(COUNT)]}


def grey(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def mosaic(rgb: np.ndarray) -> np.ndarray:
    """Bayer mosaic RGGB."""
    out = rgb[..., 1].copy()
    out[::2, ::2], out[1::2, 1::2] = rgb[::2, ::2, 0], rgb[1::2, 1::2, 2]
    return out


def colour() -> list:
    return raw('rgb8', lambda rgb: rgb)()['/image']


def deep_depth(form: str = 'png') -> list:
    return [(at, compressed_depth(np.full((240, 320), 900, np.uint16), at, form)) for at in AT]


def raw_depth() -> list:
    return [(at, depth(at)) for at in AT]


NO_STAMP = ('get the time of their recording',)
BAGS: dict[str, Bag] = {
    'rgb8': Bag(raw('rgb8', lambda rgb: rgb)),
    'bgr8': Bag(raw('bgr8', lambda rgb: rgb[..., ::-1])),
    'mono8': Bag(raw('mono8', grey), is_grey=True),
    'mono16_10_bits': Bag(raw('mono16', lambda rgb: grey(rgb).astype(np.uint16) << 2), is_grey=True),
    'mono16_12_bits': Bag(raw('mono16', lambda rgb: grey(rgb).astype(np.uint16) << 4), is_grey=True),
    '16UC1_10_bits': Bag(raw('16UC1', lambda rgb: grey(rgb).astype(np.uint16) << 2), is_grey=True),
    'rgb16_12_bits': Bag(raw('rgb16', lambda rgb: rgb.astype(np.uint16) << 4)),
    'bayer': Bag(raw('bayer_rggb8', mosaic), tolerance=8.0),
    'bayer_12_bits': Bag(raw('bayer_rggb16', lambda rgb: mosaic(rgb).astype(np.uint16) << 4), tolerance=8.0),
    'png': Bag(lambda: {'/image/compressed': [(at, compressed(portrait(i), at)) for i, at in enumerate(AT)]}),
    'h264': Bag(lambda: {'/image/compressed': video_messages(IMAGE, COUNT)}),
    'foxglove': Bag(lambda: {'/image': video_messages(VIDEO, COUNT)}),
    'ffmpeg': Bag(lambda: {'/image/ffmpeg': video_messages(PACKET, COUNT)}),
    'ros1': Bag(
        lambda: {'/image': [(at, image(portrait(i), at, ROS1)) for i, at in enumerate(AT)]},
        is_ros1=True,
    ),
    'depth_beside_colour': Bag(lambda: {'/a/depth': raw_depth(), '/b/color': colour()}),
    'compressed_depth_beside_colour': Bag(lambda: {'/a/compressedDepth': deep_depth(), '/b/color': colour()}),
    'rvl_beside_colour': Bag(lambda: {'/a/compressedDepth': deep_depth('rvl'), '/b/color': colour()}),
    'stamps_from_zero': Bag(raw('rgb8', lambda rgb: rgb, lambda at: at - EPOCH_NS), NO_STAMP),
    'stamps_stuck': Bag(raw('rgb8', lambda rgb: rgb, lambda at: 5_000_000_000), NO_STAMP),
    'stamps_missing': Bag(raw('rgb8', lambda rgb: rgb, lambda at: 0), NO_STAMP),
    'unknown_encoding': Bag(raw('rgb9', lambda rgb: rgb), ("no encoding 'rgb9'",) * COUNT),
    'unknown_codec': Bag(lambda: {'/image': video_messages(PACKET, COUNT, encoding='x')}, ("codec 'x'",) * COUNT),
    'depth_alone': Bag(lambda: {'/camera/depth/image': raw_depth()}, refused='holds depth alone'),
    'compressed_depth_alone': Bag(lambda: {'/d/compressedDepth': deep_depth()}, refused='holds depth alone'),
    'two_cameras': Bag(lambda: {'/left': colour(), '/right': colour()}, refused='--bag-topic /left or /right'),
    'no_images': Bag(lambda: {'/tf': [(AT[0], header(AT[0]))]}, refused='no images; its topics: /tf'),
}
