"""Conversion of raw images in the encodings of sensor_msgs/Image to RGB; encoding names are those of cv_bridge."""

from __future__ import annotations

import cv2
import numpy as np

from affect_perception.core.images.bit_depth import deep_to_eight_bits
from affect_perception.core.images.compressed import Buffer, check_size
from affect_perception.errors import BadInputError

# OpenCV names a Bayer pattern by the second and third pixel of its second row, ROS by the first two of the first.
_BAYER = {
    'bayer_rggb8': cv2.COLOR_BayerBG2RGB,
    'bayer_bggr8': cv2.COLOR_BayerRG2RGB,
    'bayer_gbrg8': cv2.COLOR_BayerGR2RGB,
    'bayer_grbg8': cv2.COLOR_BayerGB2RGB,
}
# BT.601 with limited range (16 to 235), as cameras send it.
_YUV422 = {
    'yuv422': cv2.COLOR_YUV2RGB_UYVY,
    'uyvy': cv2.COLOR_YUV2RGB_UYVY,
    'yuv422_yuy2': cv2.COLOR_YUV2RGB_YUY2,
    'yuyv': cv2.COLOR_YUV2RGB_YUY2,
}
_YUV420 = {'nv12': cv2.COLOR_YUV2RGB_NV12, 'nv21': cv2.COLOR_YUV2RGB_NV21}
_COLOUR = {
    'rgb8': (3, None),
    'bgr8': (3, cv2.COLOR_BGR2RGB),
    '8UC3': (3, cv2.COLOR_BGR2RGB),  # cv_bridge's name for a plain OpenCV image, which is BGR
    'rgba8': (4, cv2.COLOR_RGBA2RGB),
    'bgra8': (4, cv2.COLOR_BGRA2RGB),
    '8UC4': (4, cv2.COLOR_BGRA2RGB),
    'mono8': (1, cv2.COLOR_GRAY2RGB),
    '8UC1': (1, cv2.COLOR_GRAY2RGB),
}
# Of 16 bits per value: channels, conversion of the values without alpha, brought to 8 bits.
_DEEP = {
    'mono16': (1, cv2.COLOR_GRAY2RGB),
    '16UC1': (1, cv2.COLOR_GRAY2RGB),
    'rgb16': (3, None),
    'bgr16': (3, cv2.COLOR_BGR2RGB),
    '16UC3': (3, cv2.COLOR_BGR2RGB),
    'rgba16': (4, None),
    'bgra16': (4, cv2.COLOR_BGR2RGB),
    '16UC4': (4, cv2.COLOR_BGR2RGB),
}
_DEEP_BAYER = {name.removesuffix('8') + '16': name for name in _BAYER}
ENCODINGS = (*_COLOUR, *_DEEP, *_YUV422, *_YUV420, *_BAYER, *_DEEP_BAYER)


def to_rgb(data: Buffer, width: int, height: int, step: int, encoding: str, is_bigendian: bool = False) -> np.ndarray:
    """Convert the fields of a sensor_msgs/Image to (height, width, 3) uint8 RGB.

    `data` is any buffer (bytes, array.array, memoryview, numpy), `step` the bytes from one row to the next. rgb8 is not
    copied: the result is a view of `data`. Values of 16 bits are brought to 8 by `deep_to_eight_bits`. nv12 and nv21
    hold height·3/2 rows.

    Raises BadInputError `encoding`, `size` or `data`.
    """
    if encoding not in ENCODINGS:
        raise BadInputError('encoding', f'no encoding {encoding!r}; supported: {", ".join(ENCODINGS)}')
    check_size(width, height)
    data = _bytes(data)
    if encoding in _COLOUR:
        channels, conversion = _COLOUR[encoding]
        pixels = _rows(data, height, step, width * channels).reshape(height, width, channels)
        return pixels if conversion is None else cv2.cvtColor(pixels, conversion)
    order = '>u2' if is_bigendian else '<u2'
    if encoding in _DEEP:
        channels, conversion = _DEEP[encoding]
        values = np.ascontiguousarray(_rows(data, height, step, width * channels * 2)).view(order)
        pixels = deep_to_eight_bits(values.reshape(height, width, channels)[..., :3])
        return pixels if conversion is None else cv2.cvtColor(pixels, conversion)
    if encoding in _DEEP_BAYER:
        values = np.ascontiguousarray(_rows(data, height, step, width * 2)).view(order)
        return _demosaic(deep_to_eight_bits(values), _BAYER[_DEEP_BAYER[encoding]])
    if encoding in _YUV422:
        if width % 2:
            raise BadInputError('size', f'{encoding} needs an even width; got {width}x{height}')
        return cv2.cvtColor(_rows(data, height, step, width * 2).reshape(height, width, 2), _YUV422[encoding])
    if encoding in _YUV420:
        return cv2.cvtColor(_planes(data, width, height, step, encoding), _YUV420[encoding])
    return _demosaic(_rows(data, height, step, width), _BAYER[encoding])


def _bytes(data: Buffer) -> np.ndarray:
    """View of any buffer as (N,) uint8, without a copy if it is contiguous."""
    if isinstance(data, np.ndarray):
        return np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)


def _rows(data: np.ndarray, rows: int, step: int, used: int) -> np.ndarray:
    """(rows, used) uint8: rows without their padding, a view of `data` (N,)."""
    if step < used:
        raise BadInputError('data', f'step {step} is too small: a row takes {used} bytes')
    if step * rows != data.size:
        raise BadInputError('data', f'step {step} x {rows} rows = {step * rows} bytes, but the image holds {data.size}')
    return data.reshape(rows, step)[:, :used]


def _planes(data: np.ndarray, width: int, height: int, step: int, encoding: str) -> np.ndarray:
    """(height·3/2, width) uint8: the luma plane, then the two chroma planes interleaved."""
    if width % 2 or height % 2:
        raise BadInputError('size', f'{encoding} needs even sides; got {width}x{height}')
    rows = height * 3 // 2
    if step * height == data.size == width * rows:  # some senders set step = 3/2 · width, with packed rows
        step = width
    return np.ascontiguousarray(_rows(data, rows, step, width))


def _demosaic(mosaic: np.ndarray, conversion: int) -> np.ndarray:
    """(H, W, 3) RGB of a Bayer mosaic (H, W).

    The border is extended in steps of the pattern, so that small images and edges have the right colours.
    """
    height, width = mosaic.shape
    framed = (
        np.pad(mosaic, 2, 'symmetric')
        if min(height, width) < 4
        else cv2.copyMakeBorder(mosaic, 2, 2, 2, 2, cv2.BORDER_REFLECT_101)
    )
    return np.ascontiguousarray(cv2.cvtColor(framed, conversion)[2 : 2 + height, 2 : 2 + width])
