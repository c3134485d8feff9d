"""dlib's CNN face detector (max-margin object detection, D. King 2015, arXiv 1502.00046), run by PyTorch.

Weights and detections are dlib's: the same canvas of pyramid levels, network, thresholds, rounding and non-maximum
suppression (`pyramid.py`); only the arithmetic is faster (`network.py`). One run of the network per image. Detects
faces from about 70 px; each `upsample` halves that size and takes four times as long.
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
from affect_perception.detectors.dlib.weights import DETECTOR_FILE, check_architecture, read_net, weights_path
from affect_perception.errors import ConfigError
from affect_perception.runtime.devices import chosen_device
from affect_perception.types import Detection

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


class DlibCnn:
    """`FaceDetector` with dlib's detections.

    `path`: a `mmod_human_face_detector.dat`, empty for the installed one. `device`: auto, cpu, cuda or cuda:N.
    `precision`: fp32, bf16, fp16 (CUDA only) or auto (bf16 on a CPU with instructions for it, else fp32);
    the detections are the same. `lowest_score`: detection threshold, 0 as in dlib; lower reports weak detections too.
    `width`: wider images are scaled down to this width in px, 0: never. The caller sets the number of CPU threads
    (`torch.set_num_threads`). ConfigError for a file that is not this network, an absent device, or a precision that
    the device lacks.
    """

    name = 'dlib_cnn'

    def __init__(
        self,
        path: str = '',
        device: str = 'cpu',
        precision: str = 'auto',
        upsample: int = 0,
        lowest_score: float = 0.0,
        width: int = 0,
    ) -> None:
        self._device = chosen_device(device)
        self.precision = _precision(precision, self._device)
        file = weights_path(path, DETECTOR_FILE)
        net = read_net(file)
        check_architecture(net, 'loss_mmod_', LAYERS, file, DETECTOR_FILE)
        self._network = DetectorNetwork(net, self._device, PRECISIONS[self.precision])
        self._loss, self._paddings = net.loss, (net.input['padding'], net.input['outer_padding'])
        self._upsample = upsample
        self._lowest_score = lowest_score
        self._width = width
        self._lock = threading.Lock()  # the network reuses its canvas

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Detect faces in an (H, W, 3) uint8 image; best first, boxes may reach beyond the image border."""
        smaller, scale = at_most(rgb, self._width)
        return detections(self.detect_raw(smaller), scale)

    def detect_raw(self, rgb: np.ndarray) -> list[RawDetection]:
        """Return dlib's (left, top, right, bottom, score) of each face, edges inclusive, best first."""
        if min(rgb.shape[:2]) < MIN_SIDE:
            return []
        return [
            (*upsampled_to_image((left, top, right, bottom), self._upsample), score)
            for left, top, right, bottom, score in self._suppress(self._above(*self.scores(rgb)))
        ]

    def scores(self, rgb: np.ndarray) -> tuple[np.ndarray, Canvas]:
        """Return the score of each cell of the canvas, (h, w) float32, and the canvas; `rgb` at least MIN_SIDE px."""
        with self._lock, torch.inference_mode():
            return self._whole(rgb)

    def _whole(self, rgb: np.ndarray) -> tuple[np.ndarray, Canvas]:
        image = torch.from_numpy(np.array(rgb)).to(self._device)  # a copy: torch takes no read-only array
        image = image.permute(2, 0, 1)[None].float()  # (1, 3, H, W), channels last in memory
        for _ in range(self._upsample):
            image = _doubled(image)
        canvas = canvas_of(*image.shape[2:], *self._paddings)
        return self._network(image, canvas, self._lowest_score), canvas

    def _above(self, scores: np.ndarray, canvas: Canvas) -> list[RawDetection]:
        """Windows of all cells above the lowest score, in image pixels."""
        found: list[RawDetection] = []
        for row, column in np.argwhere(scores > self._lowest_score).tolist():
            rect = canvas_to_image(canvas, to_canvas(column), to_canvas(row), *self._loss['window'])
            found.append((*rect, float(scores[row, column])))
        return found

    def _suppress(self, found: list[RawDetection]) -> list[RawDetection]:
        return suppress(found, self._loss['nms_iou'], self._loss['nms_covered'])


def _doubled(image: torch.Tensor) -> torch.Tensor:
    """Upsample as dlib's pyramid_up with pyramid_down<2>: (1, 3, H, W) to (1, 3, 2 H + 1, 2 W + 2), floored."""
    size = 2 * image.shape[2] + 1, 2 * image.shape[3] + 2
    return F.interpolate(image, size, mode='bilinear', align_corners=True).floor_()


canvas_of = functools.lru_cache(maxsize=16)(canvas_for)


def _precision(name: str, device: torch.device) -> str:
    if name == 'auto':
        # CUDA: fp32 takes 1.7 ms of a 1280x720 image on an H200; half precision cannot win what its second pass costs.
        return 'bf16' if device.type == 'cpu' and _computes_bf16() else 'fp32'
    if name not in PRECISIONS or (name == 'fp16' and device.type == 'cpu'):
        raise ConfigError(f'precision {name!r} on {device.type}; give auto, fp32, bf16, or fp16 on cuda')
    return name


def _computes_bf16() -> bool:
    """Whether the CPU computes bf16; PyTorch emulates it elsewhere, slower than fp32. Not a public API."""
    names = '_is_avx512_bf16_supported', '_is_amx_tile_supported'
    return any(getattr(torch.cpu, name, bool)() for name in names)
