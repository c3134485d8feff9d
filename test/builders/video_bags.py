"""Bag messages that hold packets of a video codec or compressed depth, as the transports of ROS write them."""

from __future__ import annotations

import struct
from fractions import Fraction

import cv2
import numpy as np
import pytest
from builders.bags import EPOCH_NS, PERIOD_NS, ROS2, header
from builders.media import av, pictures
from rosbags.typesys import get_types_from_msg

pytest.importorskip('rosbags', reason='needs rosbags (pip install affect-perception[bags])')

IMAGE, VIDEO, PACKET = (
    'sensor_msgs/msg/CompressedImage',
    'foxglove_msgs/msg/CompressedVideo',
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket',
)
_DEFINITIONS = {
    VIDEO: 'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n',
    PACKET: 'std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n'
    'bool is_bigendian\nuint8[] data\n',
}
for _name, _text in _DEFINITIONS.items():
    ROS2.register(get_types_from_msg(_text, _name))


def packets(codec: str, count: int, options: dict[str, str]) -> list[tuple[int, bytes]]:
    """(number of the image, bytes) of each packet of `count` pictures of a portrait, in the order of decoding."""
    encoder = av.CodecContext.create(codec, 'w')
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 320, 240, 'yuv420p', Fraction(1, 20)
    encoder.framerate, encoder.options, encoder.thread_count = Fraction(20), options, 1
    found = []
    for i, rgb in enumerate([*pictures(count), None]):
        frame = None if rgb is None else av.VideoFrame.from_ndarray(rgb, format='rgb24')
        if frame is not None:
            frame.pts, frame.time_base = i, Fraction(1, 20)
        found += [(packet.pts, bytes(packet)) for packet in encoder.encode(frame)]
    return found


FAST = {'preset': 'ultrafast', 'tune': 'zerolatency', 'qp': '12'}
REORDERED = {'preset': 'veryfast', 'bf': '2', 'b-adapt': '0', 'qp': '12', 'rc-lookahead': '2'}


def video_messages(
    kind: str, count: int, codec: str = 'libx264', encoding: str = 'h264', options: dict[str, str] | None = None
) -> list:
    """(time of recording, message) of `count` images: message i holds one packet, stamped as its image."""
    messages = []
    for at, (i, data) in enumerate(packets(codec, count, FAST if options is None else options)):
        stamp, values = header(EPOCH_NS + i * PERIOD_NS), np.frombuffer(data, np.uint8)
        make = ROS2.types[kind]
        if kind == IMAGE:
            msg = make(stamp, encoding, values)
        elif kind == VIDEO:
            msg = make(stamp.stamp, 'camera', values, encoding)
        else:
            msg = make(stamp, 320, 240, encoding, i, 0, False, values)
        messages.append((EPOCH_NS + at * PERIOD_NS, msg))
    return messages


def compressed_depth(values: np.ndarray, stamp_ns: int, form: str = 'png'):
    """CompressedImage of compressed_depth_image_transport of depth (H, W) uint16: 12 bytes of header, then the data."""
    head = struct.pack('<iff', 0, 0.0, 0.0)
    if form == 'rvl':
        body = struct.pack('<ii', *values.shape[::-1]) + bytes(200)
    else:
        body = cv2.imencode('.png', values)[1].tobytes()
    kind = ROS2.types[IMAGE]
    name = '16UC1; compressedDepth' + (f' {form}' if form else '')
    return kind(header(stamp_ns), name, np.frombuffer(head + body, np.uint8))
