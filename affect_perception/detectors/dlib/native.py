"""dlib's CNN face detector run by dlib itself: the reference that `dlib_cnn` is measured against.

dlib holds the interpreter's lock for the whole run (2 s for a 640×480 image on a laptop CPU), so `wants_process` gives
this detector a process of its own (`detector_process.py`).
"""

from __future__ import annotations

import numpy as np

from affect_perception.detectors.dlib.pyramid import MIN_SIDE, RawDetection, at_most, detections
from affect_perception.detectors.dlib.weights import DETECTOR_FILE, weights_path
from affect_perception.errors import ConfigError
from affect_perception.types import Detection


class DlibCnnNative:
    """`FaceDetector` around `dlib.cnn_face_detection_model_v1`; `upsample` and `width` as in `DlibCnn`.

    ConfigError if dlib or the weights are missing, or dlib refuses the weights.
    """

    name = 'dlib_cnn_native'

    def __init__(self, path: str = '', upsample: int = 0, width: int = 0) -> None:
        file = weights_path(path, DETECTOR_FILE)
        try:
            import dlib

            self._net = dlib.cnn_face_detection_model_v1(str(file))
        except (ImportError, RuntimeError) as error:
            raise ConfigError(f'dlib cannot run {file}: {error}') from error
        self._upsample = upsample
        self._width = width

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Detect faces in an (H, W, 3) uint8 image; best first, boxes may reach beyond the image border."""
        smaller, scale = at_most(rgb, self._width)
        return detections(self.detect_raw(smaller), scale)

    def detect_raw(self, rgb: np.ndarray) -> list[RawDetection]:
        """Return dlib's (left, top, right, bottom, score) of each face, edges inclusive, best first."""
        if min(rgb.shape[:2]) < MIN_SIDE:
            return []
        found = self._net(np.ascontiguousarray(rgb), self._upsample)
        return [(f.rect.left(), f.rect.top(), f.rect.right(), f.rect.bottom(), f.confidence) for f in found]
