"""A `FaceAnalyzer` in a process of its own, for a CPU with few cores.

There it has an interpreter to itself, which in a thread it shares with those that answer each image: each of its steps
would wait for them or they for it. And live it takes only what they leave of the cores, which must not be said of a
thread that holds a lock. The picture goes to the child through a pipe, what was found comes back; nothing is written
anywhere.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np

from affect_perception.detectors import device
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.types import Detection, DetectionRequest, DetectionResult, Frame

_LENGTH = struct.Struct('<Q')
MODEST = '--modest'
_ROOT = Path(__file__).resolve().parents[2]


class ChildEnded(RuntimeError):
    """The child died over an image."""


class FaceAnalyzerProcess:
    """Has the names of `FaceAnalyzer` that `AsyncDetector` needs. For one thread at a time.

    Raises ConfigError for what `make_face_analyzer` refuses in the child. A child that died is started again by the next
    image; the one during which it died is an error. `modest`: it gets a core only while nobody else wants one.
    """

    def __init__(self, settings: TrackerSettings, modest: bool = True):
        self._settings = settings
        self._modest = modest
        self._lock = threading.Lock()
        self._child: subprocess.Popen | None = None
        self._closed = False
        self._start()

    def warm_up(self) -> None:
        """The child has done so before it was ready."""

    def analyze(self, request: DetectionRequest) -> DetectionResult:
        """Detect and measure the faces of a frame in the child."""
        rgb = request.frame.rgb
        if self._child is None or self._child.poll() is not None:
            self._start()
        try:
            _send(self._child.stdin, (request.frame.stamp_ns, rgb.shape, request.known_boxes, request.embed))
            self._child.stdin.write(np.ascontiguousarray(rgb).data)
            self._child.stdin.flush()
            found = _receive(self._child.stdout)
        except (EOFError, OSError) as error:
            status = self._child.wait()
            raise ChildEnded(f'the process of the detector ended (status {status}); it is started again') from error
        if isinstance(found, Exception):
            raise found
        return found

    @property
    def pid(self) -> int:
        return self._child.pid

    def close(self) -> None:
        """Ends the child, whatever it is at; there is no other after it."""
        with self._lock:
            self._closed = True
            self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                _close(pipe)

    def __del__(self):
        self._end()

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError('the detector has been closed')
            self._end()
            path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
            self._child = subprocess.Popen(
                [sys.executable, '-m', __spec__.name, *([MODEST] if self._modest else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, 'PYTHONPATH': path},
            )
        try:
            _send(self._child.stdin, self._settings)
            self._child.stdin.flush()
            answer = _receive(self._child.stdout)
        except (EOFError, OSError) as error:
            status = self._child.wait()
            raise ConfigError(f'the process of the detector ended at its start (status {status}); see above') from error
        if isinstance(answer, Exception):
            self._end()
            raise answer
        self.detector, self.name = answer


class DetectorProcess:
    """A `FaceDetector` in a process of its own that has its full share of the cores: nothing but faces are found there.

    Raises ConfigError where the child refuses the settings. An image during which the child dies is tried once more.
    """

    def __init__(self, settings: TrackerSettings):
        self._process = FaceAnalyzerProcess(settings.changed(align=False, reid='off'), modest=False)
        self.name = self._process.detector

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Faces in `rgb`, (H, W, 3) uint8, in its pixels."""
        request = DetectionRequest(Frame(0, '', rgb))
        try:
            return list(self._process.analyze(request).detections)
        except ChildEnded:
            return list(self._process.analyze(request).detections)

    def close(self) -> None:
        self._process.close()


def wants_process(settings: TrackerSettings) -> bool:
    """What `detect_beside` means for these settings."""
    if settings.detect_beside != 'auto' or settings.detect_inline:
        return settings.detect_beside == 'process' and not settings.detect_inline
    if settings.detector not in ('auto', 'dlib_cnn'):
        return True  # dlib itself, which holds the interpreter's lock for 70 ms and more
    try:
        return device(settings.detect_device) == 'cpu'
    except ImportError:  # no PyTorch: it will be dlib_hog
        return True


def _send(pipe: BinaryIO, thing: object) -> None:
    data = pickle.dumps(thing)
    pipe.write(_LENGTH.pack(len(data)) + data)


def _receive(pipe: BinaryIO) -> object:
    """EOFError when there is no more."""
    return pickle.loads(_read(pipe, _LENGTH.unpack(_read(pipe, _LENGTH.size))[0]))


def _read(pipe: BinaryIO, count: int) -> bytes:
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _close(pipe: BinaryIO) -> None:
    with contextlib.suppress(OSError):  # half a picture was still to be sent
        pipe.close()


def serve(pictures: BinaryIO, answers: BinaryIO) -> None:
    """The child: makes a Finder as the settings say that come first, then answers picture by picture until the end."""

    def answer(thing: object) -> None:
        _send(answers, thing)
        answers.flush()

    try:
        finder = _finder(_receive(pictures))
    except Exception as error:
        answer(error if isinstance(error, ConfigError) else RuntimeError(f'{type(error).__name__}: {error}'))
        return
    answer((finder.detector, finder.name))
    while True:
        try:
            stamp_ns, shape, known_boxes, embed = _receive(pictures)
            rgb = np.frombuffer(_read(pictures, int(np.prod(shape))), np.uint8).reshape(shape)
        except EOFError:
            return
        try:
            answer(finder.analyze(DetectionRequest(Frame(stamp_ns, '', rgb), known_boxes, embed)))
        except Exception as error:
            answer(RuntimeError(f'{type(error).__name__}: {error}'))


def _finder(settings: TrackerSettings):
    """Made and warm, with as many threads as a neighbour of the tracker may have."""
    import cv2

    from affect_perception.detectors.face_analyzer import make_face_analyzer

    finder = make_face_analyzer(settings)
    cv2.setNumThreads(1)
    if 'torch' in sys.modules:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
        sys.modules['torch'].set_num_threads(min(max(usable // 2, 1), 4))
    finder.warm_up()
    return finder


def _step_back() -> None:
    """Whoever else wants a core gets it at once: on Linux only, elsewhere as low a priority as there is."""
    if hasattr(os, 'SCHED_IDLE'):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif hasattr(os, 'nice'):
        os.nice(19)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent ends us in its time
    answers = os.fdopen(os.dup(1), 'wb')
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    logging.basicConfig(format='%(message)s')
    if MODEST in sys.argv:
        _step_back()
    serve(sys.stdin.buffer, answers)


if __name__ == '__main__':
    main()
