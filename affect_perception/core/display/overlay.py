"""Overlay images: scaled down first and annotated then, as fewer pixels cost less from there on."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from affect_perception.core.display.annotation import annotated
from affect_perception.types import AffectFrame, Box


def scaled_down(rgb: np.ndarray, width: int) -> np.ndarray:
    """Image `rgb`, (H, W, 3) uint8, scaled down to `width` px if it is wider; 0: unchanged."""
    if not 0 < width < rgb.shape[1]:
        return rgb
    height = max(round(rgb.shape[0] * width / rgb.shape[1]), 1)
    # INTER_AREA is fast for whole factors only, and below a factor of 2 INTER_LINEAR looks the same.
    interpolation = cv2.INTER_AREA if rgb.shape[1] >= 2 * width else cv2.INTER_LINEAR
    return cv2.resize(rgb, (width, height), interpolation=interpolation)


def annotated_at(rgb: np.ndarray, affect: AffectFrame, width: int) -> np.ndarray:
    """Copy of `rgb` with every face annotated; the boxes of `affect` are in pixels of an image of `width` px."""
    scale = rgb.shape[1] / width
    if scale == 1:
        return annotated(rgb, affect)
    faces = tuple(replace(face, box=_scaled(face.box, scale)) for face in affect.faces)
    return annotated(rgb, replace(affect, faces=faces))


def _scaled(box: Box, scale: float) -> Box:
    return Box(box.x * scale, box.y * scale, box.width * scale, box.height * scale)
