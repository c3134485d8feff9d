"""Detectors of faces: one small protocol, one file per detector, chosen by name.

To add a detector, write its class in a file of this folder, add a factory here and its name to
`TrackerSettings.detector`. Its libraries are imported by the factory, so that importing this package needs none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.types import Detection

log = logging.getLogger(__name__)


class FaceDetector(Protocol):
    """Finds the faces in one picture, knowing nothing of the pictures before.

    `confidence` is 0.5 at the detector's own threshold ("this is a face") and grows with the score. Weaker finds may be
    reported too: the tracker lets them confirm a face that it already follows, but begins no track with them.
    """

    name: str

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Faces in `rgb`, (H, W, 3) uint8, in its pixels. Any size is taken; too small a picture has no faces."""
        ...


def _dlib_hog(settings: TrackerSettings) -> FaceDetector:
    if find_spec('dlib') is None:
        raise ConfigError('detector dlib_hog needs dlib, which is not installed; run: pip install dlib-bin')
    from affect_perception.detectors.dlib.hog import DlibHog

    return DlibHog(settings.detect_width)


def _dlib_cnn(settings: TrackerSettings) -> FaceDetector:
    from affect_perception.detectors.dlib.cnn import DlibCnn

    return DlibCnn(
        settings.detector_weights,
        device(settings.detect_device),
        settings.detect_precision,
        settings.detect_upsample,
        _WEAKEST_SCORE,
        settings.detect_width,
    )


def _dlib_cnn_native(settings: TrackerSettings) -> FaceDetector:
    from affect_perception.detectors.dlib.native import DlibCnnNative

    return DlibCnnNative(settings.detector_weights, settings.detect_upsample, settings.detect_width)


def device(wanted: str) -> str:
    """The PyTorch device that the setting `detect_device` means."""
    if wanted != 'auto':
        return wanted
    import torch

    return 'cuda' if torch.cuda.is_available() else 'cpu'


_WEAKEST_SCORE = -0.5  # dlib_cnn's finds down to here confirm faces that are followed already

DETECTORS: dict[str, Callable[[TrackerSettings], FaceDetector]] = {
    'dlib_cnn': _dlib_cnn,
    'dlib_hog': _dlib_hog,
    'dlib_cnn_native': _dlib_cnn_native,  # the reference, in seconds per image: only by name
}
_AUTO = ('dlib_cnn', 'dlib_hog')  # best first


def make_detector(settings: TrackerSettings) -> FaceDetector:
    """The detector that `settings.detector` names; ConfigError when it is unknown or lacks a library or its weights."""
    if settings.detector == 'auto':
        return _best(settings)
    if settings.detector not in DETECTORS:
        raise ConfigError(f'no detector {settings.detector!r}; choose one of auto, {", ".join(DETECTORS)}')
    return DETECTORS[settings.detector](settings)


def _best(settings: TrackerSettings) -> FaceDetector:
    if settings.detector_weights:
        return _dlib_cnn(settings)  # who names a file means it
    reasons = []
    for name in _AUTO:
        try:
            detector = DETECTORS[name](settings)
            if reasons:
                log.warning('detector %s is used: %s', name, '; '.join(reasons))
            return detector
        except ConfigError as error:
            reasons.append(str(error))
    raise ConfigError('no detector can be used: ' + '; '.join(reasons))
