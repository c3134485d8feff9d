"""Five points of a face, by dlib (Kazemi and Sullivan 2014; trained by D. King): corners of the eyes, nose."""

from __future__ import annotations

import dlib
import numpy as np

from affect_perception.detectors.dlib.weights import LANDMARKS_FILE, weights_path
from affect_perception.errors import ConfigError
from affect_perception.types import Box


class Landmarks:
    """Finds the points in a box of dlib_hog or dlib_cnn, 1 ms each. `path` is dlib's file, empty for the installed one.

    Raises ConfigError when it is missing or another file.
    """

    def __init__(self, path: str = ''):
        file = weights_path(path, LANDMARKS_FILE)
        try:
            self._predictor = dlib.shape_predictor(str(file))
        except RuntimeError as error:
            raise ConfigError(f'{file} is not {LANDMARKS_FILE}: {error}; give its path') from error

    def shape(self, rgb: np.ndarray, box: Box) -> dlib.full_object_detection:
        """In dlib's own form, for the face in `box` of an (H, W, 3) uint8 image."""
        left, top = round(box.x), round(box.y)
        rectangle = dlib.rectangle(left, top, left + round(box.width) - 1, top + round(box.height) - 1)
        return self._predictor(np.ascontiguousarray(rgb), rectangle)


def points(shape: dlib.full_object_detection) -> np.ndarray:
    """(5, 2) pixels (x, y): outer and inner corner of the right-hand eye, of the left-hand eye, nose."""
    return np.array([(point.x, point.y) for point in shape.parts()], np.float32)


def roll(points: np.ndarray) -> float:
    """By how much the line through both eyes is turned clockwise, rad in (-pi, pi], from the (5, 2) points."""
    right, left = points[:2].mean(axis=0), points[2:4].mean(axis=0)
    return float(np.arctan2(right[1] - left[1], right[0] - left[0]))
