"""dlib's own run of its CNN face detector, in a process of its own: the reference that `dlib_cnn` is measured against.

dlib holds the interpreter's lock for the whole run (2 s for a 640×480 image on a laptop CPU), so here it gets an
interpreter of its own. Images go to the child as raw bytes, answers come back as one line of JSON each.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from affect_perception.detectors.dlib_pyramid import MIN_SIDE, RawDetection, at_most, detections
from affect_perception.detectors.dlib_weights import DETECTOR_FILE, weights_path
from affect_perception.errors import ConfigError
from affect_perception.types import Detection

_HEADER = struct.Struct('<III')  # width, height, upsample
_ROOT = Path(__file__).resolve().parents[2]


class DlibCnnNative:
    """`FaceDetector` that asks dlib itself. `upsample` and `width` are those of `DlibCnn`.

    Raises ConfigError when the weights are not there or dlib refuses them. A child that died is started again by the
    next image.
    """

    name = 'dlib_cnn_native'

    def __init__(self, path: str = '', upsample: int = 0, width: int = 0):
        self._path = weights_path(path, DETECTOR_FILE)
        self._upsample = upsample
        self._width = width
        self._lock = threading.Lock()
        self._child: subprocess.Popen | None = None
        self._start()

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Faces in an (H, W, 3) uint8 image, best first; boxes may reach beyond its border."""
        smaller, scale = at_most(rgb, self._width)
        return detections(self.detect_raw(smaller), scale)

    def detect_raw(self, rgb: np.ndarray) -> list[RawDetection]:
        """What dlib says of an image: (left, top, right, bottom, score) of each face, edges inclusive, best first."""
        height, width = rgb.shape[:2]
        if min(height, width) < MIN_SIDE:
            return []
        with self._lock:
            if self._child is None or self._child.poll() is not None:
                self._start()
            try:
                self._child.stdin.write(_HEADER.pack(width, height, self._upsample))
                self._child.stdin.write(np.ascontiguousarray(rgb).tobytes())
                self._child.stdin.flush()
                answer = json.loads(self._read_line())
            except BaseException:  # a half-done exchange would give the next image this one's answer
                self.close()
                raise
        return [tuple(face) for face in answer['faces']]

    def close(self):
        """End the child process."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def __del__(self):
        if getattr(self, '_child', None) is not None:
            self.close()

    def _start(self):
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
        self._child = subprocess.Popen(
            [sys.executable, '-m', 'affect_perception.detectors.dlib_native', str(self._path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, 'PYTHONPATH': path},
        )
        answer = json.loads(self._read_line())
        if 'error' in answer:
            self.close()
            raise ConfigError(answer['error'])

    def _read_line(self) -> str:
        line = self._child.stdout.readline()
        if not line:
            raise ConfigError(f'the process that runs dlib on {self._path} ended; see its message above')
        return line.decode()


def serve(path: str) -> None:
    """The child: read images from stdin until it closes, answer each on stdout."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # whatever dlib prints must not look like an answer

    def answer(**values):
        print(json.dumps(values), file=answers, flush=True)

    try:
        import dlib

        net = dlib.cnn_face_detection_model_v1(path)
    except (ImportError, RuntimeError) as error:
        answer(error=f'dlib cannot run {path}: {error}')
        return
    answer(ready=True)
    while header := sys.stdin.buffer.read(_HEADER.size):
        width, height, upsample = _HEADER.unpack(header)
        pixels = np.frombuffer(sys.stdin.buffer.read(width * height * 3), np.uint8).reshape(height, width, 3)
        answer(
            faces=[
                (f.rect.left(), f.rect.top(), f.rect.right(), f.rect.bottom(), f.confidence)
                for f in net(pixels, upsample)
            ]
        )


if __name__ == '__main__':
    serve(sys.argv[1])
