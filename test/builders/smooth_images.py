"""Smooth colour images whose encodings can be computed by hand."""

import numpy as np

WIDTH, HEIGHT = 64, 48


def smooth_image(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(height, width, 3) uint8; red grows to the right, green downwards, blue to the left."""
    y, x = np.mgrid[0:height, 0:width]
    planes = 40 + 170 * x / width, 30 + 180 * y / height, 220 - 150 * x / width
    return np.uint8(np.stack(planes, -1))


def grey_of(rgb: np.ndarray) -> np.ndarray:
    """(H, W) uint8 luma of an RGB image."""
    return np.uint8(rgb @ np.array([0.299, 0.587, 0.114]) + 0.5)
