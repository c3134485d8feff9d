"""Images that lie in messages as packets of a video codec (H.264, H.265, AV1, …), decoded by PyAV in their order.

Read are sensor_msgs/CompressedImage whose format names a codec, foxglove_msgs/CompressedVideo, and FFMPEGPacket of
ffmpeg_image_transport.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from affect_perception.core.images.image_headers import check_size
from affect_perception.errors import BadInputError
from affect_perception.sources.container import library, reason_of

VIDEO_TYPES = (
    'foxglove_msgs/msg/CompressedVideo',
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket',
)
_CODECS = {
    'h264': 'h264', 'avc': 'h264', 'avc1': 'h264', 'x264': 'h264', 'h265': 'hevc', 'hevc': 'hevc', 'x265': 'hevc',
    'av1': 'av1', 'vp8': 'vp8', 'vp9': 'vp9', 'mpeg4': 'mpeg4',
}  # fmt: skip
_MOST_WAITING = 256  # packets whose images a decoder holds back; H.264 allows 16


def codec_of(msg: Any) -> str:
    """Name of the codec of a message, as FFmpeg knows it; '' for a message that is a whole image.

    Raises BadInputError `compressed` for a message of `VIDEO_TYPES` whose codec is not known.
    """
    if hasattr(msg, 'step') or not hasattr(msg, 'data'):
        return ''  # a raw image
    is_image = hasattr(msg, 'format') and hasattr(msg, 'header')
    text = str(msg.format if hasattr(msg, 'format') else msg.encoding)
    words = [word for word in re.split(r'[^a-z0-9]+', text.lower()) if word]
    found = (next((codec for name, codec in _CODECS.items() if name in word), '') for word in words)
    codec = next((codec for codec in found if codec), '')
    if not codec and not is_image:
        wanted = ', '.join(dict.fromkeys(_CODECS.values()))
        raise BadInputError('compressed', f'video packets of codec {text[:60]!r}; wanted {wanted}')
    return codec


class VideoMessages:
    """Decoder of the packets of one topic, to be pushed in their order; each image has the tag of its packet."""

    def __init__(self, codec: str) -> None:
        av = library()
        self.codec = codec
        self._context = av.CodecContext.create(codec, 'r')
        self._context.thread_count = 1  # threads would delay images
        self._tags: dict[int, Any] = {}  # by the number of the packet
        self._count = 0

    def push(self, data: bytes, tag: Any) -> list[tuple[Any, np.ndarray]]:
        """Decode one packet; returns (tag, (H, W, 3) uint8 RGB) of each image that is complete.

        Raises BadInputError `compressed` for a packet that cannot be decoded, such as those before the first key frame.
        """
        av = library()
        packet = av.Packet(data)
        packet.pts = packet.dts = self._count  # the decoder gives it to the image, also where images are reordered
        self._tags[self._count] = tag
        self._tags.pop(self._count - _MOST_WAITING, None)
        self._count += 1
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError as error:
            text = f'a packet of {self.codec} cannot be decoded ({reason_of(error)}); it needs those before it'
            raise BadInputError('compressed', text) from None
        return self._tagged(frames)

    def flush(self) -> list[tuple[Any, np.ndarray]]:
        """Images that the decoder still holds at the end of the topic."""
        av = library()
        try:
            frames = self._context.decode(None)
        except av.error.FFmpegError:
            return []
        return self._tagged(frames)

    def _tagged(self, frames: list[Any]) -> list[tuple[Any, np.ndarray]]:
        return [(self._tags.pop(f.pts), _to_rgb(f)) for f in frames if f.pts in self._tags]


def _to_rgb(frame: Any) -> np.ndarray:
    check_size(frame.width, frame.height)
    rgb: np.ndarray = frame.to_ndarray(format='rgb24')
    return rgb
