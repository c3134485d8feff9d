"""Compressed images (JPEG, PNG, …): cost limits and completeness first, then decoding."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from affect_perception.core.images.image_headers import (
    FILES,
    LARGEST,
    SMALLEST,
    STREAMED,
    check_png,
    check_size,
    read_header,
)
from affect_perception.core.images.jpeg_stream import jpeg_end
from affect_perception.errors import BadInputError

__all__ = ['FILES', 'LARGEST', 'SMALLEST', 'STREAMED', 'Buffer', 'check_size', 'decode_compressed']

Buffer = Any  # bytes, bytearray, memoryview, array.array or numpy: no common type before Python 3.12
_LARGEST_FILE = 512 * 2**20  # bytes


def decode_compressed(data: Buffer, image_format: str = '', accepted: tuple[str, ...] = STREAMED) -> np.ndarray:
    """Decode an image file in memory to (H, W, 3) uint8 RGB; EXIF orientation is applied.

    `image_format` is the field of sensor_msgs/CompressedImage (`jpeg`, `png`, `rgb8; jpeg compressed bgr8`). It only
    serves to reject depth and to name the image; the format is read from the data and must be one of `accepted`. Sizes
    and lengths are checked before anything is decoded. Raises BadInputError `compressed` or `size`.
    """
    if 'compressedDepth' in image_format:
        raise BadInputError('compressed', f'format {image_format[:60]!r} is depth; wanted jpeg or png')
    view = memoryview(data)
    named = f'{image_format[:60] or "compressed"} image of {view.nbytes} bytes'
    if view.nbytes > _LARGEST_FILE:
        raise BadInputError('size', f'{named} is too large; wanted {_LARGEST_FILE >> 20} MB or less')
    data = bytes(view)
    header = read_header(data)
    if header.format not in accepted:
        given = f'is {header.format}' if header.format else 'is of no known format, or damaged'
        raise BadInputError('compressed', f'{named} {given}; wanted {" or ".join(accepted)}')
    if header.size is not None:
        check_size(*header.size)
    if header.format == 'jpeg' and jpeg_end(data) is None:
        raise BadInputError('compressed', f'{named} is truncated or damaged: the end of the JPEG is missing')
    if header.format == 'png':
        data = check_png(data)
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        bgr = None
    if bgr is None:
        raise BadInputError('compressed', f'{named} cannot be decoded; wanted {" or ".join(accepted)}, not damaged')
    check_size(bgr.shape[1], bgr.shape[0])
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
