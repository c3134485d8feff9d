"""Images that lie in messages as packets of a video codec (H.264, H.265, AV1, …), decoded by PyAV in their order.

Read are sensor_msgs/CompressedImage whose format names a codec, foxglove_msgs/CompressedVideo, and FFMPEGPacket of
ffmpeg_image_transport.
"""

from __future__ import annotations

import re
from collections import deque
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


def codec_of(msg: Any) -> str:
    """Name of the codec of a message, as FFmpeg knows it; '' for a message that is a whole image."""
    text = str(getattr(msg, 'format', '') or getattr(msg, 'encoding', '')).lower() if hasattr(msg, 'data') else ''
    if hasattr(msg, 'height') and hasattr(msg, 'step'):
        return ''  # a raw image
    words = [word for word in re.split(r'[^a-z0-9]+', text) if word]
    found = (next((codec for name, codec in _CODECS.items() if name in word), '') for word in words)
    return next((codec for codec in found if codec), '')


class VideoMessages:
    """Decoder of the packets of one topic, to be pushed in their order; each image has the tag of its packet."""

    def __init__(self, codec: str) -> None:
        av = library()
        self.codec = codec
        self._context = av.CodecContext.create(codec, 'r')
        self._context.thread_count = 1  # threads would delay images
        self._tags: deque[Any] = deque()

    def push(self, data: bytes, tag: Any) -> list[tuple[Any, np.ndarray]]:
        """Decode one packet; returns (tag, (H, W, 3) uint8 RGB) of each image that is complete.

        Raises BadInputError `compressed` for a packet that cannot be decoded, such as those before the first key frame.
        """
        av = library()
        self._tags.append(tag)
        try:
            frames = self._context.decode(av.Packet(data))
        except av.error.FFmpegError as error:
            self._tags.pop()
            text = f'a packet of {self.codec} cannot be decoded ({reason_of(error)}); it needs those before it'
            raise BadInputError('compressed', text) from None
        return [(self._tags.popleft(), self._to_rgb(frame)) for frame in frames if self._tags]

    def flush(self) -> list[tuple[Any, np.ndarray]]:
        """Images that the decoder still holds at the end of the topic."""
        av = library()
        try:
            frames = self._context.decode(None)
        except av.error.FFmpegError:
            return []
        return [(self._tags.popleft(), self._to_rgb(frame)) for frame in frames if self._tags]

    def _to_rgb(self, frame: Any) -> np.ndarray:
        check_size(frame.width, frame.height)
        rgb: np.ndarray = frame.to_ndarray(format='rgb24')
        return rgb
