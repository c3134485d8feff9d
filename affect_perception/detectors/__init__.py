"""Face detectors, and the analysis of detected faces: landmarks, embeddings, colour histograms.

Belongs here: the FaceDetector protocol, its registry, how a detector runs (thread, process, prefetch). Not: tracking.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol, runtime_checkable

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.types import Detection

log = logging.getLogger(__name__)


class FaceDetector(Protocol):
    """Detector of faces in single images, without state between images.

    `confidence` is 0.5 at the detector's own threshold ("this is a face") and grows with the score. Detections below
    may be reported too: the tracker uses them to confirm a face that is tracked already, never to begin a track.
    """

    name: str

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Detect faces in `rgb`, (H, W, 3) uint8 of any size; boxes in pixels of `rgb`."""
        ...


@runtime_checkable
class KnownFaceDetector(FaceDetector, Protocol):
    """Detector that looks at only part of a picture, surely where faces are tracked; for sequences of pictures."""

    def detect_known(self, rgb: np.ndarray, known: np.ndarray) -> list[Detection]:
        """Detect faces as `detect`, also looking at the boxes `known` (N, 4), rows of core.boxes."""
        ...


# To add a detector, write its class in a folder of its own, a factory here that imports its libraries, and add its name
# to `TrackerSettings.detector`.


def _dlib_hog(settings: TrackerSettings) -> FaceDetector:
    if find_spec('dlib') is None:
        raise ConfigError('detector dlib_hog needs dlib, which is not installed; run: pip install dlib-bin')
    from affect_perception.detectors.dlib.hog import DlibHog

    return DlibHog(settings.detect_width)


def _dlib_cnn(settings: TrackerSettings) -> FaceDetector:
    from affect_perception.detectors.dlib.cnn import DlibCnn

    path, precision, width = settings.detector_weights, settings.detect_precision, settings.detect_width
    if not _proposes(settings):
        doubled = doublings(settings.detect_smallest_px)
        return DlibCnn(path, settings.detect_device, precision, doubled, _LOWEST_SCORE, width)
    from affect_perception.detectors.dlib.proposed import SMALLEST_PX, ProposedDlibCnn

    smallest_px = settings.detect_smallest_px or SMALLEST_PX
    return ProposedDlibCnn(path, precision, _LOWEST_SCORE, width, smallest_px, sweep=settings.detect_sweep)


def _proposes(settings: TrackerSettings) -> bool:
    from affect_perception.runtime.devices import chosen_device

    return not settings.detect_exhaustive and chosen_device(settings.detect_device).type == 'cpu'


def _dlib_cnn_native(settings: TrackerSettings) -> FaceDetector:
    from affect_perception.detectors.dlib.native import DlibCnnNative

    return DlibCnnNative(settings.detector_weights, doublings(settings.detect_smallest_px), settings.detect_width)


def doublings(smallest_px: int) -> int:
    """Times that dlib's CNN doubles a whole picture to find faces of `smallest_px`; never for 0, the default."""
    return 0 if smallest_px == 0 or smallest_px >= 72 else 1 if smallest_px >= 36 else 2


def _yunet(settings: TrackerSettings) -> FaceDetector:
    from affect_perception.detectors.yunet import YuNet

    return YuNet(settings.detector_weights, settings.detect_width)


_LOWEST_SCORE = -0.5  # detections of dlib_cnn from here on confirm tracked faces

DETECTORS: dict[str, Callable[[TrackerSettings], FaceDetector]] = {
    'dlib_cnn': _dlib_cnn,
    'dlib_hog': _dlib_hog,
    'yunet': _yunet,  # with the user's weights file: only by name
    'dlib_cnn_native': _dlib_cnn_native,  # the reference, in seconds per image: only by name
}
MEASURES_ROLL = {'yunet'}  # detectors that give the roll of every face


def way_of(name: str, settings: TrackerSettings) -> str:
    """Detector `name` under `settings` in words: for dlib's CNN also where it looks."""
    if name != 'dlib_cnn':
        return name
    return f'dlib_cnn, {"proposed windows" if _proposes(settings) else "whole pictures"}'


def make_detector(settings: TrackerSettings) -> FaceDetector:
    """Build the detector named by `settings.detector`; ConfigError if it is unknown, or lacks a library or weights."""
    if settings.detector == 'auto':
        return _best(settings)
    if settings.detector not in DETECTORS:
        raise ConfigError(f'no detector {settings.detector!r}; choose one of auto, {", ".join(DETECTORS)}')
    return DETECTORS[settings.detector](settings)


def _best(settings: TrackerSettings) -> FaceDetector:
    if settings.detector_weights:
        return _dlib_cnn(settings)  # a named file must be used or refused
    reasons: list[str] = []
    whole = settings.changed(detect_exhaustive=True)
    for name, way in (('dlib_cnn', settings), ('dlib_cnn', whole), ('dlib_hog', settings)):
        try:
            detector = DETECTORS[name](way)
        except ConfigError as error:
            if str(error) not in reasons:
                reasons.append(str(error))
            continue
        if reasons:
            log.warning('Detector %s instead of the best one: %s', way_of(name, way), '; '.join(reasons))
        return detector
    raise ConfigError('no detector can be used: ' + '; '.join(reasons))
