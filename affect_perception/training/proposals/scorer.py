"""dlib's scores of many composed pictures at once on a device, with the canvases that the proposal network sees."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from affect_perception.detectors.dlib.network import DetectorNetwork
from affect_perception.detectors.dlib.pyramid import canvas_for, map_size
from affect_perception.detectors.dlib.weights import DETECTOR_FILE, read_net, weights_path
from affect_perception.detectors.proposals.canvas import proposal_canvas
from affect_perception.training.proposals.pictures import SIZE
from affect_perception.training.proposals.targets import target_cells


class BatchScorer:
    """Canvases and targets of pictures of one size; `path`: dlib's network, empty for the installed one."""

    def __init__(self, device: torch.device, path: str = '', size: tuple[int, int] = SIZE) -> None:
        net = read_net(weights_path(path, DETECTOR_FILE))
        network = DetectorNetwork(net, device, torch.float32)
        self._convolutions = network.exact
        self._mean = torch.from_numpy(network.mean).to(device).view(1, 3, 1, 1)
        self._canvas = canvas_for(*size, net.input['padding'], net.input['outer_padding'])
        self._layout = proposal_canvas(*size, False)
        cells = target_cells(self._canvas, self._layout, map_size(self._canvas))
        self._cells = torch.from_numpy(cells).to(device)
        self._unknown = self._cells < 0
        sides, before = [], size
        for scale in self._layout.scales:
            after = scale.height, scale.width
            sides.append([torch.from_numpy(area_matrix(*pair)).to(device) for pair in zip(before, after, strict=True)])
            before = after
        self._shrinking = sides

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, 3, H, W) float32, whole numbers to 255, to canvases (N, 3, h, w) uint8 and targets as `targets`.

        Targets (N, LEVELS, h / OUT, w / OUT) float16.
        """
        highest = F.max_pool2d(self.scores(pictures)[:, None], 3, 1, 1).flatten(1)
        wanted = highest[:, self._cells.clamp(min=0).flatten()].view(len(pictures), *self._cells.shape)
        return self.drawn(pictures), wanted.masked_fill(self._unknown, float('nan')).half()

    @torch.inference_mode()
    def scores(self, pictures: Tensor) -> Tensor:
        """dlib's scores (N, rows, columns) of pictures (N, 3, H, W) float32."""
        canvas = self._canvas
        tiled = pictures.new_zeros((len(pictures), 3, canvas.height, canvas.width))
        level = (pictures - self._mean) / 256
        for top, left, height, width in canvas.levels:
            if level.shape[2:] != (height, width):
                level = F.interpolate(level, (height, width), mode='bilinear', align_corners=True)
            tiled[:, :, top : top + height, left : left + width] = level
        x = tiled.contiguous(memory_format=torch.channels_last)
        for weight, bias, stride, padding in self._convolutions[:-1]:
            x = F.conv2d(x, weight, bias, stride, padding).relu_()
        weight, bias, _, padding = self._convolutions[-1]
        return F.conv2d(x, weight, bias, 1, padding)[:, 0]

    @torch.inference_mode()
    def drawn(self, pictures: Tensor) -> Tensor:
        """Canvases (N, 3, h, w) uint8 as `canvas.draw` draws them, within 1 grey level of rounding."""
        shape = len(pictures), 3, self._layout.height, self._layout.width
        drawn = torch.full(shape, 128, dtype=torch.uint8, device=pictures.device)
        source = pictures
        for scale, (rows, columns) in zip(self._layout.scales, self._shrinking, strict=True):
            source = (rows @ source @ columns.T).round_()
            drawn[:, :, scale.top : scale.top + scale.height, scale.left : scale.left + scale.width] = source.byte()
        return drawn


@functools.lru_cache(maxsize=64)
def area_matrix(before: int, after: int) -> np.ndarray:
    """(after, before) float32 matrix of OpenCV's INTER_AREA along one axis."""
    return np.asarray(cv2.resize(np.eye(before, dtype=np.float32), (before, after), interpolation=cv2.INTER_AREA))
