"""Square face crops for the networks, from an image and a face box; the same code live and in training.

A change of the geometry here needs new weights: the shipped ones were trained on exactly these crops.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from affect_perception.types import Box


def face_square(box: Box, margin: float) -> Box:
    """Square around `box`: its longer side, plus `margin` (a share of that side) on each side."""
    side = max(box.width, box.height) * (1 + 2 * margin)
    return Box.around(box.centre, side, side)


def crop_square(rgb: np.ndarray, square: Box, size: int) -> np.ndarray:
    """Crop `square` out of `rgb`, (H, W, 3) or (H, W) uint8, as (size, size[, 3]) uint8; the border is replicated.

    Areas are averaged when shrinking, against aliasing: a far face and a near one look alike to the network.
    """
    image_height, image_width = rgb.shape[:2]
    side = max(round(square.width), 1)
    left, top = round(square.x), round(square.y)
    right, bottom = left + side, top + side
    rows = slice(min(max(top, 0), image_height - 1), max(min(bottom, image_height), 1))
    columns = slice(min(max(left, 0), image_width - 1), max(min(right, image_width), 1))
    inner = rgb[rows, columns]
    scale = size / side
    # Resized before the border is added: the border is then a few rows of a small image.
    inner = cv2.resize(
        inner,
        (max(round(inner.shape[1] * scale), 1), max(round(inner.shape[0] * scale), 1)),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
    )
    pad_left = min(max(round(-left * scale), 0), size - 1)
    pad_top = min(max(round(-top * scale), 0), size - 1)
    inner = inner[: size - pad_top, : size - pad_left]
    pad_right, pad_bottom = size - pad_left - inner.shape[1], size - pad_top - inner.shape[0]
    if not (pad_left or pad_top or pad_right or pad_bottom):
        return inner
    return cv2.copyMakeBorder(inner, pad_top, pad_bottom, pad_left, pad_right, cv2.BORDER_REPLICATE)


def face_crop(rgb: np.ndarray, box: Box, size: int, margin: float, roll_rad: float = 0.0) -> np.ndarray:
    """Crop the face in `box` with `margin` as (size, size, 3) uint8, rotated upright from a clockwise roll in rad.

    Without roll the crop is that of `crop_square`, as for upright training images.
    """
    square = face_square(box, margin)
    return crop_rotated(rgb, square, size, roll_rad) if roll_rad else crop_square(rgb, square, size)


def crop_rotated(rgb: np.ndarray, square: Box, size: int, roll_rad: float) -> np.ndarray:
    """Crop as `crop_square`, of the square rotated clockwise by `roll_rad` about its centre.

    Against aliasing whole blocks of pixels are averaged first, in one call of OpenCV, and a pixel of the crop that is
    still more than 1¼ blocks wide is the mean of four samples. An exact average and cubic samples take three times as
    long, for grey values that differ by about 1 in the mean.
    """
    side = max(round(square.width), 1)  # whole pixels, and the same ones as in `crop_square`
    x, y = round(square.x) + side / 2, round(square.y) + side / 2
    block = max(side // size, 1)
    fine = 2 if side > 1.25 * block * size else 1
    cos, sin = math.cos(roll_rad), math.sin(roll_rad)
    reach = math.ceil(side * (abs(cos) + abs(sin)) / 2) + block
    left, columns = _blocks(x - reach, x + reach, block, rgb.shape[1])
    top, rows = _blocks(y - reach, y + reach, block, rgb.shape[0])
    blocks = rgb[top : top + rows * block, left : left + columns * block]
    if block > 1:
        blocks = cv2.resize(blocks, (columns, rows), interpolation=cv2.INTER_AREA)
    step = side / (size * fine * block)
    cos, sin, half = cos * step, sin * step, (size * fine - 1) / 2  # step between samples; centre of the samples
    x, y = (x - left) / block - 0.5, (y - top) / block - 0.5
    turn = np.array([[cos, -sin, x - half * (cos - sin)], [sin, cos, y - half * (sin + cos)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(blocks, turn, (size * fine, size * fine), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return crop if fine == 1 else cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)


def _blocks(low: float, high: float, block: int, length: int) -> tuple[int, int]:
    """First pixel and number (>= 1) of blocks of `block` px that cover `low` to `high` on an axis of `length` px."""
    begin = min(max(math.floor(low), 0), max(length - block, 0))
    return begin, max((min(max(math.ceil(high), 0), length) - begin) // block, 1)
