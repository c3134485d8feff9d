"""A `FaceAnalyzer` or a `FaceDetector` in a child process of its own, for a CPU with few cores.

In a child the detector has an interpreter to itself, and live it takes only the CPU time that the processes answering
each image leave over; a thread that holds the interpreter's lock must not be delayed like that. Frames go to the child
and results come back through a socket pair; nothing is written to disk. The other side is `detector_child.py`.
"""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from affect_perception.errors import BadInputError, ConfigError
from affect_perception.runtime.child_process import ChildEnded, ChildProcess, ChildStarved
from affect_perception.runtime.devices import chosen_device
from affect_perception.runtime.framing import Message
from affect_perception.settings import TrackerSettings
from affect_perception.types import Box, Detection, DetectionRequest, DetectionResult, Frame

_CHILD = 'affect_perception.detectors.detector_child'
STARVED_S = 1.5  # without CPU time, while a detection every 2 s is wanted
MEASUREMENTS = ('embeddings', 'rolls', 'colour_histograms')  # arrays of DetectionResult in the order of their sending


class DetectorFailure(BadInputError):
    """The detector's process ended, hung or starved (kind `detector`); the next request starts another one."""

    def __init__(self, text: str) -> None:
        super().__init__('detector', text)


class FaceAnalyzerProcess:
    """A `FaceAnalyzer` in a child process, with the part of its interface that `AsyncDetector` uses.

    `idle`: the child gets a core only while no other process wants it, until that is not enough for a detection: a
    child that gets no CPU time for STARVED_S is replaced by one with a share of its own. The constructor raises
    ConfigError for what `make_face_analyzer` refuses. For one thread at a time, except `close`, `pid` and `running`.
    """

    def __init__(self, settings: TrackerSettings, idle: bool = True) -> None:
        self._settings, self._priority = settings, 'idle' if idle else 'normal'
        self._child = ChildProcess('the detector process', _CHILD)
        self.detector = self.name = ''
        try:
            self._start()
        except BaseException:
            self._child.close()
            raise

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the child runs; a child that has ended is restarted by the next request."""
        return self._child.running

    def warm_up(self) -> None:
        """Do nothing: the child has run once before the constructor returned."""

    def analyze(self, request: DetectionRequest) -> DetectionResult:
        """Detect and measure the faces of a frame in the child.

        DetectorFailure if the child ends, hangs or starves; RuntimeError for an error of the detector itself, and after
        `close`.
        """
        frame = request.frame
        try:
            if not self._child.running:
                self._start()
            self._child.send('detect', frame.rgb, request.known_boxes, request.embed, stamp_ns=frame.stamp_ns)
            answer = self._child.receive()
        except ChildStarved as error:
            self._priority = 'share'
            raise DetectorFailure(f'{error}; the next detection starts another one with a share of its own') from error
        except (ChildEnded, ConfigError) as error:
            raise DetectorFailure(f'{error}; the next detection starts another one') from error
        if answer.kind == 'error':
            raise RuntimeError(answer.fields['text'])
        return _result(answer)

    def close(self) -> None:
        """Kill the child, whatever it does; may be called by any thread."""
        self._child.close()

    def __del__(self) -> None:
        self._child.close()

    def _start(self) -> None:
        self._child.starved_s = 0.0  # the start is at a higher priority
        self._child.start()
        try:
            self._child.send('start', settings=dataclasses.asdict(self._settings), priority=self._priority)
            answer = self._child.receive()
        except ChildEnded as error:
            raise ConfigError(f'{error} at its start; see above') from error
        if answer.kind != 'ready':
            self._child.kill()
            raise (ConfigError if answer.kind == 'refused' else RuntimeError)(answer.fields['text'])
        self._child.starved_s = STARVED_S if self._priority == 'idle' else 0.0
        self.detector, self.name = answer.fields['detector'], answer.fields['name']


class DetectorProcess:
    """A `FaceDetector` in a child process at normal priority: for offline work, where nothing more urgent is running.

    ConfigError where the child refuses the settings. A frame over which the child ends or hangs is tried once more.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._process = FaceAnalyzerProcess(settings.changed(align=False, reid='off'), idle=False)
        self.name = self._process.detector

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Detect faces in `rgb`, (H, W, 3) uint8, in its pixels. DetectorFailure if the child fails twice."""
        request = DetectionRequest(Frame(0, '', rgb))
        try:
            return list(self._process.analyze(request).detections)
        except DetectorFailure:
            return list(self._process.analyze(request).detections)

    def close(self) -> None:
        """Kill the child; may be called by any thread."""
        self._process.close()


def wants_process(settings: TrackerSettings) -> bool:
    """Whether the detector runs in a process of its own, by `detect_beside` (auto: on the CPU, unless inline)."""
    if os.name != 'posix' or settings.detect_inline:  # elsewhere a child cannot be given a socket
        return False
    if settings.detect_beside != 'auto':
        return settings.detect_beside == 'process'
    if settings.detector not in ('auto', 'dlib_cnn'):
        return True  # dlib itself, which holds the interpreter's lock for 70 ms and more
    if settings.detect_device != 'auto':
        return settings.detect_device == 'cpu'
    try:
        return chosen_device('auto').type == 'cpu'
    except ImportError:  # no PyTorch: the detector will be dlib_hog
        return True


def _result(answer: Message) -> DetectionResult:
    detections = [Detection(Box(*box), confidence, roll) for *box, confidence, roll in answer.fields['detections']]
    arrays = dict(zip(answer.fields['measurements'], answer.arrays, strict=True))
    return DetectionResult(answer.fields['stamp_ns'], tuple(detections), *(arrays.get(name) for name in MEASUREMENTS))
