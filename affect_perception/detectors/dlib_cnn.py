"""dlib's CNN face detector (max-margin object detection, D. King 2015, arXiv 1502.00046), run by PyTorch.

Weights and answers are dlib's: the same canvas of image levels, network, thresholds, rounding and suppression of
overlaps (see `dlib_pyramid`). Only the arithmetic is faster: convolution, affine layer and ReLU are one, channels lie
last in memory, and numbers may be half as long. One run of the network per image. Finds faces of about 70 pixels and
more; each `upsample` halves that and takes four times as long.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
import torch.nn.functional as F

from affect_perception.detectors.dlib_pyramid import (
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
from affect_perception.detectors.dlib_weights import (
    DETECTOR_FILE,
    DlibNet,
    expect,
    folded_convolutions,
    read_net,
    weights_path,
)
from affect_perception.errors import ConfigError
from affect_perception.types import Detection

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


def _block(outputs: int, inputs: int, stride: int, padding: int) -> tuple[tuple, ...]:
    return ('con', outputs, inputs, 5, 5, stride, padding), ('affine', outputs), ('relu',)


LAYERS = (
    *_block(16, 3, 2, 0),
    *_block(32, 16, 2, 0),
    *_block(32, 32, 2, 0),
    *_block(45, 32, 1, 2),
    *_block(45, 45, 1, 2),
    *_block(45, 45, 1, 2),
    ('con', 1, 45, 9, 9, 1, 4),
)


class DlibCnn:
    """`FaceDetector` with dlib's answers.

    `path` is a `mmod_human_face_detector.dat`, empty for the installed one. `device` is cpu, cuda or cuda:N.
    `precision` is fp32, bf16, fp16 (CUDA only) or auto: fp32 on a CPU, fp16 on CUDA. fp32 gives dlib's boxes to the
    pixel; the shorter ones move one box in twenty by a step of the grid, 8 px of its level. `weakest_score` is where a
    face begins: 0 as in dlib, lower reports weak finds too. Pictures wider than `width` px are scaled down to it,
    0: never. How many CPU threads run is the caller's affair (`torch.set_num_threads`).
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
        self._device = _device(device)
        self.precision = _precision(precision, self._device)
        file = weights_path(path, DETECTOR_FILE)
        net = read_net(file)
        expect(net, 'loss_mmod_', LAYERS, file, DETECTOR_FILE)
        self._network = Network(net, self._device, PRECISIONS[self.precision])
        self._loss = net.loss
        self._upsample = upsample
        self._weakest_score = weakest_score
        self._width = width

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Faces in an (H, W, 3) uint8 image, best first; boxes may reach beyond its border."""
        smaller, scale = at_most(rgb, self._width)
        return detections(self.detect_raw(smaller), scale)

    def detect_raw(self, rgb: np.ndarray) -> list[RawDetection]:
        """What dlib says of an image: (left, top, right, bottom, score) of each face, edges inclusive, best first."""
        if min(rgb.shape[:2]) < MIN_SIDE:
            return []
        with torch.inference_mode():
            image = torch.from_numpy(np.array(rgb)).to(self._device)  # a copy: torch takes no read-only array
            image = image.permute(2, 0, 1)[None].float()  # (1, 3, H, W), channels last in memory
            for _ in range(self._upsample):
                image = _doubled(image)
            canvas = _canvas(image.shape[2], image.shape[3], self._network.padding, self._network.outer_padding)
            scores = self._network(image, canvas)
        found = self._suppressed(scores, canvas)
        return [(*upsampled_to_image(one[:4], self._upsample), one[4]) for one in found]

    def _suppressed(self, scores: np.ndarray, canvas: Canvas) -> list[RawDetection]:
        found = []
        for row, column in np.argwhere(scores > self._weakest_score).tolist():
            x, y = self._network.to_canvas(column), self._network.to_canvas(row)
            found.append((*canvas_to_image(canvas, x, y, *self._loss['window']), float(scores[row, column])))
        return suppress(found, self._loss['nms_iou'], self._loss['nms_covered'])


class Network:
    """The convolutions with their weights on a device, from an image to the scores of its canvas."""

    def __init__(self, net: DlibNet, device: torch.device, dtype: torch.dtype):
        self.padding, self.outer_padding = net.input['padding'], net.input['outer_padding']
        self._dtype = dtype
        self._mean = torch.tensor(net.input['mean'], device=device).view(1, 3, 1, 1)
        self._convolutions = [
            (
                torch.from_numpy(weight).to(device, dtype).contiguous(memory_format=torch.channels_last),
                torch.from_numpy(bias).to(device, dtype),
                stride,
                padding,
            )
            for weight, bias, stride, padding in folded_convolutions(net)
        ]

    def __call__(self, image: torch.Tensor, canvas: Canvas) -> np.ndarray:
        """Scores (h, w) float32 of an image (1, 3, H, W) float32, 0 to 255."""
        x = self._tiled(image, canvas)
        for weight, bias, stride, padding in self._convolutions[:-1]:
            x = F.conv2d(x, weight, bias, stride, padding).relu_()
        return self._scores(x).cpu().numpy()

    def _scores(self, x: torch.Tensor) -> torch.Tensor:
        """The last convolution, 45 channels to 1, in fp32: (1, 45, h, w) to (h, w).

        Neighbouring windows score within 0.01 of each other, so rounding here would move faces by a step of the grid.
        Products first, then their sums at 81 places: half the time of a convolution that has a single output.
        """
        weight, bias, _, padding = self._convolutions[-1]
        size = weight.shape[2]
        products = weight[0].flip(1, 2).flatten(1).float().T @ x[0].float().flatten(1)  # (81, h · w)
        return F.fold(products[None], x.shape[2:], size, padding=padding)[0, 0] + bias.float()

    def to_canvas(self, at: int) -> int:
        """The canvas row (column) in the middle of what row (column) `at` of the scores looks at."""
        for weight, _, stride, padding in reversed(self._convolutions):
            at = at * stride - padding + weight.shape[2] // 2
        return at

    def _tiled(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """All levels of the pyramid on one canvas, (1, 3, canvas height, canvas width); 0 between them."""
        tiled = torch.zeros((1, 3, canvas.height, canvas.width), dtype=self._dtype, device=image.device).contiguous(
            memory_format=torch.channels_last
        )
        level = (image - self._mean) / 256
        for top, left, height, width in canvas.levels:
            if (height, width) != level.shape[2:]:
                level = F.interpolate(level, (height, width), mode='bilinear', align_corners=True)
            tiled[:, :, top : top + height, left : left + width] = level
        return tiled


def _doubled(image: torch.Tensor) -> torch.Tensor:
    """dlib's pyramid_up with pyramid_down<2>: (1, 3, H, W) to (1, 3, 2 H + 1, 2 W + 2), whole numbers as in uint8."""
    size = 2 * image.shape[2] + 1, 2 * image.shape[3] + 2
    return F.interpolate(image, size, mode='bilinear', align_corners=True).floor_()


_canvas = functools.lru_cache(maxsize=16)(canvas_for)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f'no device {name!r}; give cpu, cuda or cuda:N') from error
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f'no device {name!r}: PyTorch sees {torch.cuda.device_count()} CUDA devices; give cpu')
    if device.type not in ('cpu', 'cuda'):
        raise ConfigError(f'device {name!r} is not supported; give cpu, cuda or cuda:N')
    return device


def _precision(name: str, device: torch.device) -> str:
    if name == 'auto':
        return 'fp16' if device.type == 'cuda' else 'fp32'
    if name not in PRECISIONS or (name == 'fp16' and device.type == 'cpu'):
        raise ConfigError(f'precision {name!r} on {device.type}; give auto, fp32, bf16, or fp16 on cuda')
    return name
