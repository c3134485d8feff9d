"""Compressed images (JPEG, PNG, …): cost limits and completeness first, then decoding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from affect_perception.core.images.bit_depth import deep_to_eight_bits
from affect_perception.core.images.image_headers import (
    FILES,
    LARGEST,
    PNG_START,
    SMALLEST,
    STREAMED,
    ImageHeader,
    check_png,
    check_size,
    read_header,
)
from affect_perception.core.images.jpeg_decoder import check_jpeg_data, decode_jpeg
from affect_perception.core.images.jpeg_stream import jpeg_end
from affect_perception.core.images.quiet_opencv import quiet
from affect_perception.errors import BadInputError

__all__ = ['FILES', 'LARGEST', 'SMALLEST', 'STREAMED', 'Buffer', 'check_size', 'decode_compressed', 'decode_photo']

Buffer = Any  # bytes, bytearray, memoryview, array.array or numpy: no common type before Python 3.12
_LARGEST_FILE = 512 * 2**20  # bytes
_LARGEST_PHOTO = (16384, 128 * 10**6)  # px of a side, px in all: of photos, which are reduced while decoding
_DEPTH_HEADER = 12  # bytes: form of the depth and two quantisation parameters, before the PNG
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}


def decode_compressed(data: Buffer, image_format: str = '', accepted: tuple[str, ...] = STREAMED) -> np.ndarray:
    """Decode an image file in memory to (H, W, 3) uint8 RGB; EXIF orientation is applied.

    `image_format` is the field of sensor_msgs/CompressedImage (`jpeg`, `png`, `rgb8; jpeg compressed bgr8`, `16UC1;
    compressedDepth png`). It names the image, and says where the header of compressed_depth_image_transport precedes
    it; the format is read from the data and must be one of `accepted`. Sizes and lengths are checked before anything is
    decoded. Values of 16 bits are brought to 8 as those of raw images are. Raises BadInputError `compressed` or `size`.
    """
    if 'compressedDepth' in image_format:
        data, accepted = _without_depth_header(data, image_format), ('png',)
    checked, header, named = _checked(data, image_format, accepted, check_size)
    rgb = _decode(checked, header, named, accepted)
    check_size(rgb.shape[1], rgb.shape[0])
    return rgb


def _without_depth_header(data: Buffer, image_format: str) -> bytes:
    """The PNG behind the header of a compressedDepth message; BadInputError for RVL, its other form."""
    image = bytes(memoryview(data)[_DEPTH_HEADER:])
    if 'rvl' in image_format.lower() or not image.startswith(PNG_START):
        text = f'format {image_format[:60]!r} is depth in RVL or damaged; wanted colour, or compressedDepth in PNG'
        raise BadInputError('compressed', text)
    return image


def decode_photo(data: Buffer, suffix: str = '') -> np.ndarray:
    """Decode an image file of any of the formats `FILES`, as `decode_compressed`; larger ones are accepted.

    An image of more than 7680×4320 px, and up to 128 million, is halved (or quartered) until it fits: a JPEG while it
    is decoded, which costs neither its memory nor its time.
    """
    checked, header, named = _checked(data, suffix, FILES, check_photo_size)
    factor = _reduction(*header.size) if header.size is not None else 1
    rgb = reduced(_decode(checked, header, named, FILES, factor))
    check_size(rgb.shape[1], rgb.shape[0])
    return rgb


def check_photo_size(width: int, height: int) -> None:
    """Raise BadInputError `size` for a photo that is too large to be reduced, or too small."""
    side, count = _LARGEST_PHOTO
    if max(width, height) > side or width * height > count:
        wanted = f'{side} px or less per side and {count // 10**6} MP or less'
        text = f'an image of {width}x{height} is too large; wanted {wanted}'
        raise BadInputError('size', text)
    if min(width, height) < SMALLEST:
        check_size(width, height)


def reduced(rgb: np.ndarray) -> np.ndarray:
    """Image (H, W, 3), halved or quartered where it is larger than 7680×4320 px."""
    factor = _reduction(rgb.shape[1], rgb.shape[0])
    if factor == 1:
        return rgb
    size = (rgb.shape[1] // factor, rgb.shape[0] // factor)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def _reduction(width: int, height: int) -> int:
    """Factor, 1, 2 or 4, by which an image fits into 7680×4320 px."""
    return next((f for f in (1, 2) if max(width, height) / f <= LARGEST[0] and min(width, height) / f <= LARGEST[1]), 4)


def _checked(
    data: Buffer, image_format: str, accepted: tuple[str, ...], check: Callable[[int, int], None]
) -> tuple[bytes, ImageHeader, str]:
    """The bytes to decode, their header, and a name of the image for errors; BadInputError for unusable ones."""
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
        check(*header.size)
    if header.format == 'jpeg' and jpeg_end(data) is None:
        raise BadInputError('compressed', f'{named} is truncated or damaged: the end of the JPEG is missing')
    return (check_png(data) if header.format == 'png' else data), header, named


def _decode(data: bytes, header: ImageHeader, named: str, accepted: tuple[str, ...], factor: int = 1) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a checked image, `factor` times smaller."""
    if header.format == 'jpeg' and header.plain and factor == 1:
        return decode_jpeg(data, named)
    if header.format == 'jpeg':
        check_jpeg_data(data, named)
    flags = _REDUCED.get(factor, cv2.IMREAD_COLOR) | cv2.IMREAD_ANYDEPTH
    try:
        with quiet():
            bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        bgr = None
    if bgr is not None and bgr.dtype == np.uint16:
        bgr = deep_to_eight_bits(bgr)
    if bgr is None or bgr.dtype != np.uint8:
        raise BadInputError('compressed', f'{named} cannot be decoded; wanted {" or ".join(accepted)}, not damaged')
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
