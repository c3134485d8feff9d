"""dlib's face embedding ("descriptor", D. King 2017, a ResNet with 29 layers, 128 numbers per face), run by PyTorch.

Two images of one person are less than 0.6 apart (Euclidean), of two people more: right for 99.4 % of LFW's pairs
according to its author. On the London portraits two images of one person are at most 0.42 apart, of two people at least
0.46. Landmarks (5 points) and the upright 150×150 chip come from dlib itself: milliseconds, and exactly the pixels that
the network was trained on. Embeddings identify people: keep them in memory only, delete them soon, never publish them.
"""

from __future__ import annotations

from collections.abc import Sequence

import dlib
import numpy as np
import torch
import torch.nn.functional as F

from affect_perception.detectors.dlib.landmarks import Landmarks, points
from affect_perception.detectors.dlib.weights import (
    EMBEDDING_FILE,
    DlibNet,
    check_architecture,
    folded_convolutions,
    read_net,
    weights_path,
)
from affect_perception.runtime.devices import chosen_device
from affect_perception.types import Box

SAME_PERSON = 0.6  # embeddings nearer than this are of one person
CHIP_SIZE = 150  # px
CHIP_PADDING = 0.25  # dlib's default for embeddings, relative to the face, on each side


def _residual(channels: int, inputs: int = 0) -> tuple[tuple[object, ...], ...]:
    """Residual block of two convolutions; with `inputs` given it halves the resolution and changes the channels."""
    first = ('con', channels, inputs or channels, 3, 3, *((2, 0) if inputs else (1, 1)))
    shortcut = (('wrapper',), ('wrapper',), ('avg_pool', 2, 2, 2, 0)) if inputs else ()
    return (
        ('wrapper',),
        *(first, ('affine', channels), ('relu',)),
        *(('con', channels, channels, 3, 3, 1, 1), ('affine', channels)),
        *(*shortcut, ('add_prev',), ('relu',)),
    )


LAYERS: tuple[tuple[object, ...], ...] = (
    *(('con', 32, 3, 7, 7, 2, 0), ('affine', 32), ('relu',), ('max_pool', 3, 3, 2, 0)),
    *_residual(32) * 3,
    *(*_residual(64, 32), *_residual(64) * 3),
    *(*_residual(128, 64), *_residual(128) * 2),
    *(*_residual(256, 128), *_residual(256) * 2),
    *_residual(256, 256),
    *(('avg_pool', 0, 0, 1, 0), ('fc', 256, 128)),
)


class FaceEmbedder:
    """Embedder of faces, 5 ms per face on one core including landmarks.

    `path`, `landmarks_path`: dlib's files, empty for the installed ones. `device`: auto, cpu, cuda or cuda:N.
    ConfigError for missing or foreign files and absent devices.
    """

    def __init__(self, path: str = '', landmarks_path: str = '', device: str = 'cpu') -> None:
        file = weights_path(path, EMBEDDING_FILE)
        net = read_net(file)
        check_architecture(net, 'loss_metric_2', LAYERS, file, EMBEDDING_FILE)
        self._device = chosen_device(device)
        self._network = EmbeddingNetwork(net, self._device)
        self._landmarks = Landmarks(landmarks_path)

    def landmarks(self, rgb: np.ndarray, box: Box) -> np.ndarray:
        """Return the (5, 2) landmarks of the face in `box`, see `landmarks.points`."""
        return points(self._landmarks.shape(rgb, box))

    def __call__(self, rgb: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
        """Embed the face in each box of an (H, W, 3) uint8 image, in one batch: (faces, 128) float32."""
        if not boxes:
            return np.zeros((0, 128), np.float32)
        rgb = np.ascontiguousarray(rgb)
        return self.of_chips(np.stack([self.chip(rgb, box) for box in boxes]))

    def chip(self, rgb: np.ndarray, box: Box) -> np.ndarray:
        """Crop the face in `box`, rotated upright: (150, 150, 3) uint8."""
        return dlib.get_face_chip(rgb, self._landmarks.shape(rgb, box), CHIP_SIZE, CHIP_PADDING)

    def of_chips(self, chips: np.ndarray) -> np.ndarray:
        """Embed (N, 150, 150, 3) uint8 chips: (N, 128) float32."""
        with torch.inference_mode():
            images = torch.from_numpy(np.array(chips)).to(self._device).permute(0, 3, 1, 2)
            return self._network(images.float()).cpu().numpy()


class EmbeddingNetwork:
    """Runs the layers of the file in order; the position of a wrapper tells a tag from a skip, as the file does not."""

    def __init__(self, net: DlibNet, device: torch.device) -> None:
        layers = [layer for layer in net.layers if layer.kind != 'affine']  # those are folded into the convolutions
        self._layers = [(layer.kind, layer.window) for layer in layers]
        self._convolutions = [
            (
                torch.from_numpy(weight).to(device).contiguous(memory_format=torch.channels_last),
                torch.from_numpy(bias).to(device),
                stride,
                padding,
            )
            for weight, bias, stride, padding in folded_convolutions(net)
        ]
        self._mean = torch.tensor(net.input['mean'], device=device).view(1, 3, 1, 1)
        self._last = torch.from_numpy(net.layers[-1].weight).to(device)  # (256, 128)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, 3, 150, 150), 0 to 255, to embeddings (N, 128)."""
        x = shortcut = (images - self._mean) / 256
        before = ''
        convolutions = iter(self._convolutions)
        for kind, window in self._layers:
            if kind == 'con':
                x = F.conv2d(x, *next(convolutions))
            elif kind == 'relu':
                x = F.relu_(x)
            elif kind == 'max_pool':
                x = F.max_pool2d(x, window[0], window[2])
            elif kind == 'avg_pool':
                x = F.avg_pool2d(x, window[0], window[2]) if window[0] else x.mean((2, 3))
            elif kind == 'add_prev':
                x = _added(x, shortcut)
            elif kind == 'fc':
                x = x @ self._last
            elif before == 'con':  # a tag after two convolutions, and a skip: continue with their input
                x, shortcut = shortcut, x
            elif before != 'wrapper':  # a tag: keep for the shortcut
                shortcut = x
            before = kind
        return x


def _added(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Add as dlib does: missing channels, rows or columns of either tensor count as 0."""
    size = [max(one, other) for one, other in zip(a.shape[1:], b.shape[1:], strict=True)]
    a, b = (
        F.pad(x, [edge for want, have in zip(size[::-1], x.shape[:0:-1], strict=True) for edge in (0, want - have)])
        for x in (a, b)
    )
    return a + b
