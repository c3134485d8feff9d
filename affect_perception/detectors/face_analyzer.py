"""What is done with a picture for the tracker: faces found, levelled by their landmarks, described where wanted."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from affect_perception.core.boxes import boxes_to_rows
from affect_perception.core.tracking.frame_detections import colours_of
from affect_perception.core.tracking.reidentification import faces_to_embed
from affect_perception.detectors import FaceDetector, device, make_detector
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.types import Box, Detection, DetectionRequest, DetectionResult, Frame

log = logging.getLogger(__name__)


class FaceAnalyzer:
    """A detector, and what looks closer at its faces; `landmarks` and `describe` may be missing.

    On one core 1 ms per face for the landmarks, and 5 ms for each face that `faces_to_embed` chooses.
    """

    def __init__(self, detector: FaceDetector, landmarks=None, describe=None):
        self._detector, self._landmarks, self._describe = detector, landmarks, describe
        self.detector = detector.name

    @property
    def name(self) -> str:
        """All its parts, for people."""
        parts = ('levelled crops', self._landmarks), ('re-identification', self._describe)
        return ' + '.join([self.detector, *(part for part, there in parts if there is not None)])

    def warm_up(self) -> None:
        """The first run of a network is slow: it is made here, not on the first picture."""
        black = np.zeros((480, 640, 3), np.uint8)
        self._detector.detect(black)
        self.analyze_detections(DetectionRequest(Frame(0, '', black)), [Detection(Box(200, 100, 100, 100), 1.0)])

    def analyze(self, request: DetectionRequest) -> DetectionResult:
        """Detect the faces of a frame and measure them: `detect`, then `analyze_detections`."""
        return self.analyze_detections(request, self.detect(request.frame))

    def detect(self, frame: Frame) -> list[Detection]:
        """The faces of `frame`, without further measurements."""
        return self._detector.detect(frame.rgb)

    def analyze_detections(self, request: DetectionRequest, detections: Sequence[Detection]) -> DetectionResult:
        """Add landmark rolls, embeddings and colour histograms to faces that were detected already."""
        frame = request.frame
        return DetectionResult(
            frame.stamp_ns,
            tuple(detections),
            self._embeddings(request, detections),
            self._rolls(frame, detections),
            colours_of(frame, detections),
        )

    def close(self) -> None:
        """Ends the process of a detector that has one."""
        close = getattr(self._detector, 'close', None)
        if close is not None:
            close()

    def _embeddings(self, request: DetectionRequest, detections: Sequence[Detection]) -> np.ndarray | None:
        if self._describe is None:
            return None
        chosen = faces_to_embed(request, boxes_to_rows([d.box for d in detections]))
        described = self._describe(request.frame.rgb, [detections[i].box for i in chosen])
        rows = np.full((len(detections), described.shape[1]), np.nan, np.float32)
        rows[chosen] = described
        return rows

    def _rolls(self, frame: Frame, detections: Sequence[Detection]) -> np.ndarray | None:
        if self._landmarks is None:
            return None
        from affect_perception.detectors.dlib.landmarks import points, roll

        return np.array([roll(points(self._landmarks.shape(frame.rgb, d.box))) for d in detections])


def make_face_analyzer(settings: TrackerSettings, detector: FaceDetector | None = None) -> FaceAnalyzer:
    """As the settings say, with `detector` where one is given; ConfigError when something that they ask for by name is
    not there.

    What is only on by default and not there is left out, and the log says so once.
    """
    detector = detector or make_detector(settings)
    return FaceAnalyzer(detector, _landmarks() if settings.align else None, _describer(settings))


def _landmarks():
    try:
        from affect_perception.detectors.dlib.landmarks import Landmarks

        return Landmarks()
    except (ImportError, ConfigError) as error:
        log.warning('crops are not levelled (align): %s', error)
        return None


def _describer(settings: TrackerSettings):
    if settings.reid == 'off':
        return None
    try:
        from affect_perception.detectors.dlib.descriptor import FaceDescriptor

        return FaceDescriptor(device=device(settings.detect_device))
    except (ImportError, ConfigError) as error:
        if settings.reid == 'on':
            raise ConfigError(f'reid = on: {error}') from error
        log.warning('people who return get a new id (reid is off): %s', error)
        return None
