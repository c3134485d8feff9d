"""A `FaceAnalyzer` or a `FaceDetector` in a child process of its own, for a CPU with few cores.

In a child the detector has an interpreter to itself, and live it takes only the CPU time that the processes answering
each image leave over; a thread that holds the interpreter's lock must not be delayed like that. Frames go to the child
and results come back through a socket pair; nothing is written to disk. The other side is `detector_child.py`.

Live, the loaded detector stays as a template, of which a new one is forked where one ends, hangs or starves, and where
its priority is to change: a process cannot leave the idle class again.
"""

from __future__ import annotations

import dataclasses
import glob
import json
import os
import sys
from collections.abc import Callable
from functools import partial

import numpy as np

from affect_perception.detectors.core_share import CoreShare
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.runtime.devices import chosen_device
from affect_perception.runtime.imports.collection import no_collection
from affect_perception.runtime.processes.child_process import ChildEnded, ChildStarved, is_started_early, start_early
from affect_perception.runtime.processes.child_watch import HUNG_S
from affect_perception.runtime.processes.forked_child import CAN_FORK, fork_early
from affect_perception.runtime.processes.framing import Message
from affect_perception.runtime.processes.priority import lower_process
from affect_perception.runtime.processes.template_process import TemplateProcess
from affect_perception.settings import TrackerSettings
from affect_perception.types import Box, Detection, DetectionRequest, DetectionResult, Frame

_CHILD = 'affect_perception.detectors.detector_child'
STARVED_S = 0.5  # without CPU time, while a detection every 2 s is wanted
_HUNG_S = 1.5  # without progress in a detection, which does nothing but compute
MEASUREMENTS = ('embeddings', 'rolls', 'colour_histograms')  # arrays of DetectionResult in the order of their sending


class DetectorFailure(BadInputError):
    """The detector's process ended, hung or starved (kind `detector`); the next request starts another one."""

    def __init__(self, text: str) -> None:
        super().__init__('detector', text)


class FaceAnalyzerProcess:
    """A `FaceAnalyzer` in a child process, with the part of its interface that `AsyncDetector` uses.

    `idle`: the child gets a core only while no other process wants it, until that is not enough for a detection: a
    child that gets no CPU time for STARVED_S is replaced by one with a share of its own (CoreShare), which analyses the
    same frame, and that one by an idle one once it has had a core to itself for a while. Such a child is forked from a
    template (TemplateProcess). `on_ended` gets a text when a child was starved, or found ended between two detections,
    in the thread of `analyze`; another one takes its place, and no detection is lost. The constructor raises
    ConfigError for what `make_face_analyzer` refuses.
    For one thread at a time, except `close`, `pid` and `running`.
    """

    def __init__(
        self, settings: TrackerSettings, idle: bool = True, on_ended: Callable[[str], None] | None = None
    ) -> None:
        self._settings, self.priority = settings, 'idle' if idle else 'normal'
        self._on_ended = on_ended
        self._serving = False  # since the start of a child until its end is expected, or has been told
        self._template = idle
        self._share = CoreShare()
        self._child = TemplateProcess('the detector process', _CHILD)
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

        DetectorFailure if the child ends or hangs; RuntimeError for an error of the detector itself, and after `close`.
        """
        try:
            answer = self._ask(request)
        except ChildStarved as error:
            self._serving = False
            (self._share.begin if self.priority == 'idle' else self._share.take_most)()
            self.priority = 'share'
            self._tell(f'{error}; it gets a larger share')
            answer = self._ask(request)
        if answer.kind == 'error':
            raise RuntimeError(answer.fields['text'])
        if self.priority == 'share':
            self._adapt()
        self._child.starved_s, self._child.least_share = self._starved_s, self._share.least
        return _result(answer)

    @property
    def _starved_s(self) -> float:
        """Time after which another child is tried: none where there is no higher priority."""
        return STARVED_S if self.priority == 'idle' or (self.priority == 'share' and self._share.nice) else 0.0

    def _adapt(self) -> None:
        """Lower or raise the share of the child; a higher one, as a return to the idle class, needs another child."""
        if self._share.is_calm:
            self.priority = 'idle'
        elif not self._share.adapt():
            return lower_process(self._child.pid, self._share.nice)
        self._serving = False
        return self._child.kill()

    def _ask(self, request: DetectionRequest) -> Message:
        """The child's answer. DetectorFailure if it ends or hangs, ChildStarved from the idle class."""
        frame = request.frame
        try:
            if not self._child.running:
                self._start_again()
            with self._share.at_work(self._child.pid):
                self._child.send('detect', frame.rgb, request.known_boxes, request.embed, stamp_ns=frame.stamp_ns)
                return self._child.receive()
        except ChildStarved:
            raise
        except (ChildEnded, ConfigError) as error:
            self._serving = False
            raise DetectorFailure(f'{error}; the next detection starts another one') from error

    def close(self) -> None:
        """Kill the child, whatever it does; may be called by any thread."""
        self._child.close()

    def __del__(self) -> None:
        self._child.close()

    def _start_again(self) -> None:
        status = self._child.status if self._serving else None
        self._start()
        if status is not None:
            self._tell(f'the detector process ended (status {status}) between two detections')

    def _tell(self, text: str) -> None:
        if self._on_ended is not None:
            self._on_ended(text)

    def _start(self) -> None:
        self._child.starved_s = 0.0  # loading and the first detection are at normal priority
        self._child.hung_s = HUNG_S
        try:
            if not self._child.fork() and self._load() and not self._child.fork():
                raise ConfigError('the detector process ended when it was forked')
            self._child.send('serve', priority=self.priority, nice=self._share.nice)
        except ChildEnded as error:
            raise ConfigError(f'{error} at its start; see above') from error
        self._child.hung_s = _HUNG_S
        self._serving = True

    def _load(self) -> bool:
        """Start a process that loads the detector; returns whether it can be forked. ConfigError: it refuses."""
        self._child.start()
        self._child.send('start', settings=dataclasses.asdict(self._settings), template=self._template)
        answer = self._child.receive()
        if answer.kind != 'ready':
            self._child.kill()
            raise (ConfigError if answer.kind == 'refused' else RuntimeError)(answer.fields['text'])
        self.detector, self.name = answer.fields['detector'], answer.fields['name']
        return bool(answer.fields['forks'])


class DetectorProcess:
    """A `FaceDetector` in a child process at normal priority: for offline work, where nothing more urgent is running.

    ConfigError where the child refuses the settings. A frame over which the child ends or hangs is tried once more.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._process = FaceAnalyzerProcess(detection_only(settings), idle=False)
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


def detection_only(settings: TrackerSettings) -> TrackerSettings:
    """`settings` without what is measured of a detected face."""
    return settings.changed(align=False, reid='off')


def start_detector_early(settings: TrackerSettings, live: bool) -> None:
    """Start the process of a `FaceAnalyzerProcess` (`live`) or `DetectorProcess` to come; no effect if none is likely.

    It builds the detector that `settings` mean while this process goes on; if others are given in the end, it builds
    another one. Where this process has not begun to work yet, it imports
    PyTorch here, which both need, and the child is a fork: the import takes 2 s of a core, and 150 MB.
    """
    named = settings.detect_device == 'cpu'
    gpu = settings.detect_device != 'auto' or bool(glob.glob('/dev/nvidia[0-9]*') + glob.glob('/dev/dxg'))
    cnn = settings.detector in ('auto', 'dlib_cnn') and settings.detect_beside != 'thread'
    if os.name != 'posix' or not cnn or settings.detect_inline or (gpu and not named) or is_started_early(_CHILD):
        return
    settings = settings if live else detection_only(settings)
    if 'torch' in sys.modules or not _fork_early(settings, live):
        start_early(_CHILD, 'live' if live else 'offline', json.dumps(dataclasses.asdict(settings)))


def _fork_early(settings: TrackerSettings, live: bool) -> bool:
    """Import PyTorch and fork the detector's process; False where this cannot be done."""
    if not CAN_FORK:
        return False
    try:
        with no_collection():
            import torch  # noqa: F401 - for parent and child
    except ImportError:  # the detector will be dlib_hog
        return False
    from affect_perception.detectors import detector_child

    return fork_early(_CHILD, partial(detector_child.work_early, settings=settings, live=live))


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
