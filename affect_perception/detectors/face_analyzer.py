"""Face analysis of one frame for the tracker: detection, roll from landmarks, embeddings, colour histograms."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from affect_perception.core.boxes import boxes_to_rows
from affect_perception.core.tracking.frame_detections import colour_histograms
from affect_perception.core.tracking.reidentification import faces_to_embed
from affect_perception.detectors import MEASURES_ROLL, FaceDetector, KnownFaceDetector, make_detector
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.types import Box, Detection, DetectionRequest, DetectionResult, Frame

if TYPE_CHECKING:
    from affect_perception.detectors.dlib.landmarks import Landmarks

log = logging.getLogger(__name__)

# Settings on which a FaceAnalyzer depends.
USED_SETTINGS = (
    *('detector', 'detector_weights', 'detect_device', 'detect_precision', 'detect_exhaustive'),
    *('detect_sweep', 'detect_smallest_px', 'detect_width', 'align', 'reid'),
)


class Embedder(Protocol):
    """Face embeddings of an image."""

    def __call__(self, rgb: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
        """(len(boxes), D) float32: the embedding of the face in each box of `rgb`, (H, W, 3) uint8."""
        ...


class FaceAnalyzer:
    """A detector with optional landmarks (1 ms per face on one core) and embeddings (5 ms per requested face).

    `measured_roll`: the rolls that the detector itself measures are used, in place of landmarks.
    `detector` is the detector's name, `name` that of all parts for log lines. Not for use by two threads at a time.
    """

    def __init__(
        self,
        detector: FaceDetector,
        landmarks: Landmarks | None = None,
        embedder: Embedder | None = None,
        measured_roll: bool = False,
    ) -> None:
        self._detector, self._landmarks, self._embedder = detector, landmarks, embedder
        self._measured_roll = measured_roll
        self.detector = detector.name
        parts = ('aligned crops', landmarks or measured_roll or None), ('re-identification', embedder)
        self.name = ' + '.join([self.detector, *(part for part, present in parts if present is not None)])

    def warm_up(self) -> None:
        """Run once on a black image, because the first run of a network is slow."""
        black = np.zeros((480, 640, 3), np.uint8)
        self._detector.detect(black)
        self.analyze_detections(DetectionRequest(Frame(0, '', black)), [Detection(Box(200, 100, 100, 100), 1.0)])

    def analyze(self, request: DetectionRequest) -> DetectionResult:
        """Detect the faces of a frame and measure them: `detect`, then `analyze_detections`."""
        detector, frame = self._detector, request.frame
        if isinstance(detector, KnownFaceDetector):
            return self.analyze_detections(request, detector.detect_known(frame.rgb, request.known_boxes))
        return self.analyze_detections(request, self.detect(frame))

    def detect(self, frame: Frame) -> list[Detection]:
        """Detect the faces of `frame`, without further measurements."""
        return self._detector.detect(frame.rgb)

    def analyze_detections(self, request: DetectionRequest, detections: Sequence[Detection]) -> DetectionResult:
        """Add landmark rolls, embeddings and colour histograms to faces that were detected already."""
        frame = request.frame
        return DetectionResult(
            frame.stamp_ns,
            tuple(detections),
            self._embeddings(request, detections),
            self._rolls(frame, detections),
            colour_histograms(frame, detections),
        )

    def close(self) -> None:
        """End the detector's child process, if it has one."""
        close = getattr(self._detector, 'close', None)
        if close is not None:
            close()

    def _embeddings(self, request: DetectionRequest, detections: Sequence[Detection]) -> np.ndarray | None:
        if self._embedder is None:
            return None
        chosen = faces_to_embed(request, boxes_to_rows([d.box for d in detections]))
        embedded = self._embedder(request.frame.rgb, [detections[i].box for i in chosen])
        rows = np.full((len(detections), embedded.shape[1]), np.nan, np.float32)
        rows[chosen] = embedded
        return rows

    def _rolls(self, frame: Frame, detections: Sequence[Detection]) -> np.ndarray | None:
        if self._measured_roll:
            return np.array([np.nan if d.roll is None else d.roll for d in detections])
        if self._landmarks is None:
            return None
        from affect_perception.detectors.dlib.landmarks import points, roll

        return np.array([roll(points(self._landmarks.shape(frame.rgb, d.box))) for d in detections])


def make_face_analyzer(settings: TrackerSettings, detector: FaceDetector | None = None) -> FaceAnalyzer:
    """Build a FaceAnalyzer for `settings`, around `detector` if one is given.

    ConfigError if a part that the settings name is missing. A missing part that is only on by default is left out with
    a warning.
    """
    detector = detector or make_detector(settings)
    own = settings.align and detector.name in MEASURES_ROLL
    landmarks = _landmarks(own) if settings.align else None
    return FaceAnalyzer(detector, landmarks, _embedder(settings), own and landmarks is None)


def _landmarks(detector_measures_roll: bool) -> Landmarks | None:
    try:
        from affect_perception.detectors.dlib.landmarks import Landmarks

        return Landmarks()
    except (ImportError, ConfigError) as error:
        if detector_measures_roll:
            log.info('Crops are aligned by the points of the detector, which see little of a tilt above 25°: %s', error)
        else:
            log.warning('Crops are not aligned (setting align): %s', error)
        return None


def _embedder(settings: TrackerSettings) -> Embedder | None:
    if settings.reid == 'off':
        return None
    try:
        from affect_perception.detectors.dlib.embedding import FaceEmbedder

        return FaceEmbedder(device=settings.detect_device)
    except (ImportError, ConfigError) as error:
        if settings.reid == 'on':
            raise ConfigError(f'reid = on: {error}') from error
        log.warning('No re-identification (setting reid), people who return get a new id: %s', error)
        return None
