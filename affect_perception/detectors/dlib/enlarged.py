"""Levels of dlib's pyramid above the image's own size, for faces too small for dlib."""

from __future__ import annotations

import cv2
import numpy as np

from affect_perception.detectors.dlib.pyramid import Canvas
from affect_perception.detectors.proposals.canvas import LEVELS


class EnlargedLevel:
    """The image enlarged for `level` -LEVELS to -1, computed where asked for; laid out like a canvas with it alone."""

    def __init__(self, rgb: np.ndarray, level: int, mean: np.ndarray, outer_padding: int) -> None:
        self._factor = 2 / 1.2 ** (level + LEVELS)
        height, width = round(rgb.shape[0] * self._factor), round(rgb.shape[1] * self._factor)
        self._rgb, self._edge = rgb, outer_padding
        self._mean = np.asarray(mean, np.float32)
        self.canvas = Canvas(
            height + 2 * outer_padding, width + 2 * outer_padding, ((outer_padding, outer_padding, height, width),)
        )

    def tile(self, top: int, left: int, into: np.ndarray) -> None:
        """Write the canvas from (top, left) on, bilinear and 0 outside the image, into (height, width, 3) float32."""
        step = 1 / self._factor
        at = [(first - self._edge + 0.5) * step - 0.5 for first in (left, top)]
        matrix = np.array([[step, 0, at[0]], [0, step, at[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        pixels = cv2.warpAffine(
            self._rgb,
            matrix,
            (into.shape[1], into.shape[0]),
            flags=flags,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=self._mean.tolist(),
        )
        rows = into.reshape(len(into), -1)  # long ones: a quarter of the time
        np.subtract(pixels.reshape(rows.shape), np.tile(self._mean, into.shape[1]), out=rows)
        rows *= 1 / 256

    def to_image(self, x: int, y: int, width: int, height: int) -> tuple[int, int, int, int]:
        """Map a window of `width` × `height` around (x, y) to a rectangle in image pixels, edges inclusive."""
        half = (width - 1) / 2, (height - 1) / 2
        centre = x - self._edge, y - self._edge
        edges = [centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1]]
        left, top, right, bottom = ((edge + 0.5) / self._factor - 0.5 for edge in edges)
        return round(left), round(top), round(right), round(bottom)
