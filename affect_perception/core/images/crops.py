"""From a face box to the square picture that the network gets, the same code live and in training.

Whoever changes the geometry here must train the weights again: they have learnt faces framed exactly so.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from affect_perception.types import Box


def face_square(box: Box, margin: float) -> Box:
    """The square around `box`: its longer side plus `margin` (a share of that side) on each side."""
    side = max(box.width, box.height) * (1 + 2 * margin)
    return Box.around(box.centre, side, side)


def cut(rgb: np.ndarray, square: Box, size: int) -> np.ndarray:
    """The picture inside `square`, (size, size, 3) uint8; what lies outside the image repeats its border.

    Areas are averaged when shrinking (no aliasing: a far face and a near one look alike to the network). rgb is
    (H, W, 3) or (H, W) uint8.
    """
    image_height, image_width = rgb.shape[:2]
    side = max(round(square.width), 1)
    left, top = round(square.x), round(square.y)
    right, bottom = left + side, top + side
    rows = slice(min(max(top, 0), image_height - 1), max(min(bottom, image_height), 1))
    columns = slice(min(max(left, 0), image_width - 1), max(min(right, image_width), 1))
    inner = rgb[rows, columns]
    scale = size / side
    # Resized before the border is added: the border is then a few rows of a small picture.
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
    """The (size, size, 3) uint8 crop of the face in `box`, turned about its middle so that a face tilted clockwise by
    `roll_rad` stands upright. Without roll no pixel is resampled for it: upright training pictures are cut by `cut`.
    """
    square = face_square(box, margin)
    return levelled(rgb, square, size, roll_rad) if roll_rad else cut(rgb, square, size)


def levelled(rgb: np.ndarray, square: Box, size: int, roll_rad: float) -> np.ndarray:
    """As `cut`, of the square turned clockwise by `roll_rad` about its middle.

    Nothing aliases: whole blocks of pixels are averaged first, which OpenCV does at once, and where one pixel of the
    crop is still more than 1¼ of them wide, it is the mean of four samples. An exact average and cubic samples take
    three times as long, for grey values that differ by about 1 in the mean.
    """
    side = max(round(square.width), 1)  # whole pixels, and the same ones as `cut` takes
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
    cos, sin, half = cos * step, sin * step, (size * fine - 1) / 2  # from one sample to the next; of the samples
    x, y = (x - left) / block - 0.5, (y - top) / block - 0.5
    turn = np.array([[cos, -sin, x - half * (cos - sin)], [sin, cos, y - half * (sin + cos)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(blocks, turn, (size * fine, size * fine), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return crop if fine == 1 else cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)


def _blocks(low: float, high: float, block: int, length: int) -> tuple[int, int]:
    """Of what lies from `low` to `high` on an axis of `length` pixels: where the first block of `block` pixels begins,
    and how many there are, at least one."""
    begin = min(max(math.floor(low), 0), max(length - block, 0))
    return begin, max((min(max(math.ceil(high), 0), length) - begin) // block, 1)
