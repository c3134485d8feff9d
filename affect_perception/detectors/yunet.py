"""YuNet (Wu, Peng, Yu 2023, doi:10.1007/s11633-023-1423-y) by OpenCV's FaceDetectorYN, with the user's weights file.

Finds faces from about 10 px, also turned and tilted ones, in milliseconds. The file is
`face_detection_yunet_*.onnx` of OpenCV's model zoo; none is shipped. YuNet's boxes, tall ones from the forehead to the
chin, are mapped to the squares that dlib draws, by which the crops of the networks are cut. The roll of its
five points levels crops where dlib's landmarks are not installed: it is right to within 3° for most heads tilted by up
to 15°, and lags behind above (of 40° it sees 4 to 32°, dlib's landmarks in the same box 37 to 44°).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.types import Box, Detection

LOWEST_SCORE = 0.3  # weak detections, which confirm tracks
FACE_SCORE = 0.7  # from here on a face, confidence 0.5
_NMS_IOU = 0.3
_MOST = 5000  # candidates before suppression: OpenCV's default
# Square of dlib's CNN in terms of YuNet's box: medians over 143 upright faces (London set, DiffusionFER, portraits).
_SIDE = 0.90  # of the square, in units of the root of the box's area; quartiles 0.85 and 0.96
_PROFILE = 0.4  # width of the eyes and mouth, relative to their distance, below which a face is in profile
_RIGHT, _DOWN = -0.044, 0.009  # its centre from that of the box, in sides
_WANTED = 'give a face_detection_yunet_*.onnx of 2023 or later from the model zoo of OpenCV'


class YuNet:
    """`FaceDetector` around `cv2.FaceDetectorYN` with the weights file `path`; wider images are scaled to `width` px.

    ConfigError for a missing path or file, and one that is no YuNet of a version that this OpenCV runs.
    """

    name = 'yunet'

    def __init__(self, path: str, width: int = 1280) -> None:
        if not path:
            raise ConfigError(f'detector yunet needs its weights: set detector_weights; {_WANTED}')
        self._width = width
        try:
            with open(path, 'rb'):
                pass
            self._net = cv2.FaceDetectorYN.create(path, '', (320, 320), LOWEST_SCORE, _NMS_IOU, _MOST)
            found = self._run(np.zeros((320, 320, 3), np.uint8))
            self._run(np.zeros((96, 160, 3), np.uint8))  # a file of fixed size fails here
        except OSError as error:
            raise ConfigError(f'cannot read {path}: {error.strerror}; {_WANTED}') from error
        except (cv2.error, AttributeError, TypeError, ValueError) as error:
            text = ' '.join(str(error).split())[-160:]
            raise ConfigError(f'{path} is no YuNet that OpenCV {cv2.__version__} runs ({text}); {_WANTED}') from error
        if found.shape[1] != 15:
            raise ConfigError(f'{path} gives {found.shape[1]} numbers per face in place of 15; {_WANTED}')

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Detect faces in `rgb`, (H, W, 3) uint8; best first, boxes may reach beyond the image border."""
        scale = max(rgb.shape[1] / self._width, 1.0)
        if scale > 1:
            size = self._width, max(round(rgb.shape[0] / scale), 1)
            rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        if min(rgb.shape[:2]) < 32:  # fewer pixels than a stride of the network
            return []
        return [detection(row, scale) for row in sorted(self._run(rgb), key=lambda row: -row[14])]

    def _run(self, rgb: np.ndarray) -> np.ndarray:
        """Rows (N, 15): x, y, width, height; x and y of right eye, left eye, nose, mouth corners; score."""
        self._net.setInputSize(rgb.shape[1::-1])
        _, found = self._net.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        return np.zeros((0, 15), np.float32) if found is None else found


def detection(row: np.ndarray, scale: float = 1.0) -> Detection:
    """Convert a row of FaceDetectorYN to a Detection with dlib's framing, of an image `scale` times as large."""
    x, y, width, height = (float(value) * scale for value in row[:4])
    points = row[4:14].reshape(5, 2).astype(np.float64) * scale
    side = _SIDE * math.sqrt(max(width, 1e-3) * max(height, 1e-3))
    centre = x + width / 2 + _RIGHT * side, y + height / 2 + _DOWN * side
    return Detection(Box.around(centre, side, side), confidence(float(row[14])), roll(points))


def roll(points: np.ndarray) -> float:
    """Return the clockwise rotation of a face, rad in (-pi, pi], from the (5, 2) points.

    The direction from one side of the face to the other, by eyes and corners of the mouth. Of a face in profile these
    are hardly apart: there the direction from the eyes down to the mouth is used, a quarter turn on.
    """
    right, left, _, mouth_right, mouth_left = points
    across = (left - right) + (mouth_left - mouth_right)
    down = (mouth_right + mouth_left) - (right + left)
    if np.hypot(*across) < _PROFILE * np.hypot(*down):
        across = np.array([down[1], -down[0]])
    return math.atan2(across[1], across[0])


def confidence(score: float) -> float:
    """Map a score in [0, 1] to a confidence: 0.5 at FACE_SCORE, linear on both sides."""
    if score < FACE_SCORE:
        return 0.5 * score / FACE_SCORE
    return 0.5 + 0.5 * (min(score, 1.0) - FACE_SCORE) / (1 - FACE_SCORE)
