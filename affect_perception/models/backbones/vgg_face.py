"""VGG-Face (Parkhi et al. 2015: the layers of VGG-16) on faces of 96×96 up to fc6, and its weights from users' files.

Layouts read by `load_vgg_face`, all without running code from the file:

| file | names | colours |
|---|---|---|
| MatConvNet vgg-face.mat | conv1_1, fc6 | RGB |
| PyTorch, converted from MatConvNet ("dag") | conv1_1.weight, fc6.weight | RGB |
| PyTorch, converted from Lua | conv_1_1.weight, features.conv_1_1.weight, fc.fc6.weight | BGR |
| Caffe VGG_FACE.caffemodel | conv1_1, fc6 | BGR |
| torchvision's VGG-16 (ImageNet) | features.0.weight, classifier.0.weight | RGB |

VGG-Face reads pixels of 0..255 minus their mean, the papers here [-1, 1]: the first convolution is rescaled, so that
embeddings equal VGG-Face's (but for the outermost pixels, which see another padding). Its own fc6 is for 224×224 and is
left out where its shape does not fit, as in the papers, whose fc6 starts anew on 96×96.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from affect_perception.models.backbones.weight_files import LoadReport, load_matching, read_tensors
from affect_perception.models.sequence_model import SequenceModel, resized

SIDE = 96  # px
MEAN_RGB = (129.1863, 104.7624, 93.5940)  # of VGG-Face's training images (Parkhi et al. 2015), 0..255
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of torchvision's, 0..1
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))  # convolutions and channels of the blocks


class VggFaceModel(SequenceModel):
    """Base class: VGG-16 in `cnn` and `fc6`; E = 4096 × width. `width` 1 is the paper's network."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for count, size in BLOCKS:
            outputs = max(round(size * width), 1)
            for _ in range(count):
                layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU()]
                channels = outputs
            layers.append(nn.MaxPool2d(2))
        self.cnn = nn.Sequential(*layers)
        self.embedding_size = max(round(4096 * width), 1)
        self.fc6 = nn.Linear(channels * 9, self.embedding_size)

    @staticmethod
    def preprocess(crops: Tensor) -> Tensor:
        """Convert uint8 RGB crops (N, S, S, 3) of any side S to network input (N, 3, 96, 96) float32 in [-1, 1]."""
        return resized(crops, SIDE) / 127.5 - 1

    def features(self, x: Tensor) -> Tensor:
        """Run the CNN and fc6 on network input (N, 3, 96, 96); returns embeddings (N, E)."""
        return functional.relu(self.fc6(self.cnn(x).flatten(1)))

    def freeze_cnn(self) -> None:
        """Keep VGG-Face, fc6 included, as it is in training: a descriptor, as in Parthasarathy & Sundaram 2020."""
        for module in (self.cnn, self.fc6):
            module.requires_grad_(False)

    def load_vgg_face(self, path: str | Path, bgr: bool | None = None, rescale: bool = True) -> LoadReport:
        """Load CNN weights, and fc6 where its shape fits, from one of the layouts above; returns the comparison.

        `bgr` overrides the colour order of the layout, `rescale=False` keeps the first convolution as it is in the
        file. ConfigError for a missing, damaged or other file, listing missing, extra and different tensors.
        """
        path = Path(path).expanduser()
        given = read_tensors(path)
        tensors = {name: tensor for name, tensor in _renamed(given).items() if not name.startswith(('fc7.', 'fc8.'))}
        if (fc6 := tensors.get('fc6.weight')) is not None and fc6.dim() == 4:
            tensors['fc6.weight'] = fc6.flatten(1)
        if (fc6 := tensors.get('fc6.weight')) is None or fc6.shape != self.fc6.weight.shape:
            tensors.pop('fc6.bias', None)  # of other units
        first = tensors.get('conv1_1.weight')
        if first is not None and first.dim() == 4 and first.shape[1] == 3:
            lua = any(re.search(r'\bconv_\d_\d\.', name) for name in given)
            imagenet = 'features.0.weight' in given
            if bgr if bgr is not None else (lua or path.suffix == '.caffemodel'):
                first = first.flip(1)
            bias = tensors.get('conv1_1.bias')
            tensors['conv1_1.weight'] = first
            if rescale and bias is not None:
                tensors['conv1_1.weight'], tensors['conv1_1.bias'] = _for_unit_range(first, bias, imagenet)
        convolutions = [module for module in self.cnn if isinstance(module, nn.Conv2d)]
        target = nn.ModuleDict(dict(zip(layer_names(), convolutions, strict=True)) | {'fc6': self.fc6})
        return load_matching(target, tensors, str(path), required='VGG-Face', optional=('fc6.',))


def layer_names() -> list[str]:
    """Names conv1_1 … conv5_3 of the 13 convolutions."""
    return [f'conv{block}_{n}' for block, (count, _) in enumerate(BLOCKS, 1) for n in range(1, count + 1)]


def _renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names conv1_1.weight … fc6.bias, whatever layout of VGG-16 the file has."""
    at, places = 0, {}
    for name, (_, last) in zip(layer_names(), _positions(), strict=True):
        places[f'features.{at}'] = name
        at += 3 if last else 2
    places |= {f'classifier.{i}': f'fc{n}' for i, n in ((0, 6), (3, 7), (6, 8))}
    renamed = {}
    for name, tensor in tensors.items():
        layer, _, part = name.rpartition('.')
        layer = places.get(layer, layer.removeprefix('features.').removeprefix('fc.'))
        layer = re.sub(r'^conv_(\d)_(\d)$', r'conv\1_\2', layer)
        renamed[f'{layer}.{part}'] = tensor
    return renamed


def _positions() -> list[tuple[int, bool]]:
    """(block, whether it is the block's last) of each convolution."""
    return [(block, n == count) for block, (count, _) in enumerate(BLOCKS) for n in range(1, count + 1)]


def _for_unit_range(weight: Tensor, bias: Tensor, imagenet: bool) -> tuple[Tensor, Tensor]:
    """Convolution of pixels in [-1, 1] that equals the given one of 0..255 − mean, or of ImageNet's standard pixels."""
    if imagenet:
        mean, deviation = torch.tensor(IMAGENET_MEAN) * 255, torch.tensor(IMAGENET_STD) * 255
    else:
        mean, deviation = torch.tensor(MEAN_RGB), torch.ones(3)
    shift = ((127.5 - mean) / deviation)[None, :, None, None]
    return weight * (127.5 / deviation)[None, :, None, None], bias + (weight * shift).sum((1, 2, 3))
