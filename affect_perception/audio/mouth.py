"""Opening of the mouth in an aligned face crop, without landmarks: how dark the mouth is against the rest of the face.

An open mouth is dark inside and moves the chin. The mean of a fixed region changes little when the crop jitters, and
the brightness of cheeks and eyes cancels that of the light.
"""

from __future__ import annotations

import cv2
import numpy as np

# Regions in face boxes from the centre of the face box: (left, top, right, bottom). A box of dlib's HOG detector ends
# at the chin; the lips are 0.23 to 0.27 of a box below its centre.
MOUTH = (-0.16, 0.16, 0.16, 0.42)
REST = (-0.32, -0.3, 0.32, 0.1)
_SMALLEST_PX = 16


def mouth_darkness(crop: np.ndarray, margin: float) -> float:
    """Darkness of the mouth in [-1, 1], 0 where as bright as the rest of the face; NaN for a crop that is too small.

    `crop` (S, S, 3) uint8 RGB of a face box with `margin` (a share of the box) on each side.
    """
    if crop.shape[0] < _SMALLEST_PX or crop.shape[1] < _SMALLEST_PX:
        return float('nan')
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    rest = _mean(grey, REST, margin)
    return float(np.clip(1 - _mean(grey, MOUTH, margin) / max(rest, 1.0), -1, 1))


def _mean(grey: np.ndarray, region: tuple[float, float, float, float], margin: float) -> float:
    height, width = grey.shape
    left, top, right, bottom = ((0.5 + v / (1 + 2 * margin)) for v in region)
    part = grey[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    return float(part.mean()) if part.size else 0.0
