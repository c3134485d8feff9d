"""dlib's CNN face detector (max-margin object detection, D. King 2015, arXiv 1502.00046), run by PyTorch.

Weights and answers are dlib's: the same canvas of image levels, network, thresholds, rounding and suppression of
overlaps (see `dlib_pyramid`); only the arithmetic is faster (see `dlib_network`). One run of the network per image.
Finds faces of about 70 pixels and more; each `upsample` halves that and takes four times as long.
"""

from __future__ import annotations

import functools
import threading

import numpy as np
import torch
import torch.nn.functional as F

from affect_perception.detectors.dlib.network import LAYERS, DetectorNetwork, to_canvas
from affect_perception.detectors.dlib.pyramid import (
    MIN_SIDE,
    Canvas,
    RawDetection,
    at_most,
    canvas_for,
    canvas_to_image,
    detections,
    suppress,
    upsampled_to_image,
)
from affect_perception.detectors.dlib.weights import DETECTOR_FILE, expect, read_net, weights_path
from affect_perception.errors import ConfigError
from affect_perception.runtime.devices import chosen_device
from affect_perception.types import Detection

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


class DlibCnn:
    """`FaceDetector` with dlib's answers.

    `path` is a `mmod_human_face_detector.dat`, empty for the installed one. `device` is cpu, cuda or cuda:N.
    `precision` is fp32, bf16, fp16 (CUDA only) or auto: fp16 on CUDA, bf16 on a CPU with instructions for it, else
    fp32; the answers are the same. `weakest_score` is where a face begins: 0 as in dlib, lower reports weak finds too.
    Pictures wider than `width` px are scaled down to it, 0: never. How many CPU threads run is the caller's affair
    (`torch.set_num_threads`).
    Raises ConfigError for a file that is not this network, a device that is absent, a precision the device lacks.
    """

    name = 'dlib_cnn'

    def __init__(
        self,
        path: str = '',
        device: str = 'cpu',
        precision: str = 'auto',
        upsample: int = 0,
        weakest_score: float = 0.0,
        width: int = 0,
    ):
        self._device = chosen_device(device)
        self.precision = _precision(precision, self._device)
        file = weights_path(path, DETECTOR_FILE)
        net = read_net(file)
        expect(net, 'loss_mmod_', LAYERS, file, DETECTOR_FILE)
        self._network = DetectorNetwork(net, self._device, PRECISIONS[self.precision])
        self._loss, self._paddings = net.loss, (net.input['padding'], net.input['outer_padding'])
        self._upsample = upsample
        self._weakest_score = weakest_score
        self._width = width
        self._lock = threading.Lock()  # the network keeps its canvas

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Faces in an (H, W, 3) uint8 image, best first; boxes may reach beyond its border."""
        smaller, scale = at_most(rgb, self._width)
        return detections(self.detect_raw(smaller), scale)

    def detect_raw(self, rgb: np.ndarray) -> list[RawDetection]:
        """What dlib says of an image: (left, top, right, bottom, score) of each face, edges inclusive, best first."""
        if min(rgb.shape[:2]) < MIN_SIDE:
            return []
        with self._lock, torch.inference_mode():
            image = torch.from_numpy(np.array(rgb)).to(self._device)  # a copy: torch takes no read-only array
            image = image.permute(2, 0, 1)[None].float()  # (1, 3, H, W), channels last in memory
            for _ in range(self._upsample):
                image = _doubled(image)
            canvas = _canvas(*image.shape[2:], *self._paddings)
            scores = self._network(image, canvas, self._weakest_score)
        found = self._suppressed(scores, canvas)
        return [(*upsampled_to_image(one[:4], self._upsample), one[4]) for one in found]

    def _suppressed(self, scores: np.ndarray, canvas: Canvas) -> list[RawDetection]:
        found = []
        for row, column in np.argwhere(scores > self._weakest_score).tolist():
            rect = canvas_to_image(canvas, to_canvas(column), to_canvas(row), *self._loss['window'])
            found.append((*rect, float(scores[row, column])))
        return suppress(found, self._loss['nms_iou'], self._loss['nms_covered'])


def _doubled(image: torch.Tensor) -> torch.Tensor:
    """dlib's pyramid_up with pyramid_down<2>: (1, 3, H, W) to (1, 3, 2 H + 1, 2 W + 2), whole numbers as in uint8."""
    size = 2 * image.shape[2] + 1, 2 * image.shape[3] + 2
    return F.interpolate(image, size, mode='bilinear', align_corners=True).floor_()


_canvas = functools.lru_cache(maxsize=16)(canvas_for)


def _precision(name: str, device: torch.device) -> str:
    if name == 'auto':
        return 'fp16' if device.type == 'cuda' else 'bf16' if _computes_bf16() else 'fp32'
    if name not in PRECISIONS or (name == 'fp16' and device.type == 'cpu'):
        raise ConfigError(f'precision {name!r} on {device.type}; give auto, fp32, bf16, or fp16 on cuda')
    return name


def _computes_bf16() -> bool:
    """PyTorch imitates bf16 where the CPU lacks it, slower than fp32. Its own name for the question may go away."""
    names = '_is_avx512_bf16_supported', '_is_amx_tile_supported'
    return any(getattr(torch.cpu, name, bool)() for name in names)
