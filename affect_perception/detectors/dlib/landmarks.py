"""Five facial landmarks by dlib (Kazemi and Sullivan 2014; trained by D. King): corners of the eyes, nose."""

from __future__ import annotations

import dlib
import numpy as np

from affect_perception.detectors.dlib.weights import LANDMARKS_FILE, weights_path
from affect_perception.errors import ConfigError
from affect_perception.types import Box


class Landmarks:
    """Landmark predictor for boxes of dlib_hog or dlib_cnn, 1 ms per face.

    `path`: dlib's shape predictor file, empty for the installed one. ConfigError if it is missing or another file.
    """

    def __init__(self, path: str = '') -> None:
        file = weights_path(path, LANDMARKS_FILE)
        try:
            self._predictor = dlib.shape_predictor(str(file))
        except RuntimeError as error:
            raise ConfigError(f'{file} is not {LANDMARKS_FILE}: {error}; give its path') from error

    def shape(self, rgb: np.ndarray, box: Box) -> dlib.full_object_detection:
        """Predict the landmarks of the face in `box` of an (H, W, 3) uint8 image, in dlib's own form."""
        left, top = round(box.x), round(box.y)
        rectangle = dlib.rectangle(left, top, left + round(box.width) - 1, top + round(box.height) - 1)
        return self._predictor(np.ascontiguousarray(rgb), rectangle)


def points(shape: dlib.full_object_detection) -> np.ndarray:
    """Convert landmarks to (5, 2) float32 pixels (x, y).

    Order: outer and inner corner of the right-hand eye, outer and inner corner of the left-hand eye, nose.
    """
    return np.array([(point.x, point.y) for point in shape.parts()], np.float32)


def roll(points: np.ndarray) -> float:
    """Return the clockwise rotation of the line through both eyes, rad in (-pi, pi], from the (5, 2) points."""
    right, left = points[:2].mean(axis=0), points[2:4].mean(axis=0)
    return float(np.arctan2(right[1] - left[1], right[0] - left[0]))
