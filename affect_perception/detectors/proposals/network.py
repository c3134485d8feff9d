"""Proposal network: from the proposal canvas to an estimate of dlib's score for each position and level.

Separable convolutions at an eighth of the canvas's resolution; MobileNet (Howard et al. 2017, arXiv 1704.04861) in
miniature. The four levels of a scale are channels, and each cell answers for 2 × 2 positions (Shi et al. 2016, arXiv
1609.05158), so that an output stands for 4 px of the canvas: two of dlib's cells at the first level of a scale.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affect_perception.detectors.proposals.canvas import CELL, LEVELS, OUT

FINER = CELL // OUT
_GREY, _SPREAD = 128.0, 64.0  # pixels are centred and scaled by these


class ProposalNetwork(nn.Module):
    """Map (N, 3, H, W), multiples of CELL, uint8 or float, to estimated scores (N, LEVELS, H / OUT, W / OUT).

    `stem`: channels of the first convolution, of `stem_px` × `stem_px` pixels in steps of 4 (6: they overlap, or 4);
    `width`: channels of the rest; `blocks` of them with filters of `kernel` × `kernel`.
    """

    def __init__(self, stem: int = 32, width: int = 96, blocks: int = 4, stem_px: int = 6, kernel: int = 5) -> None:
        super().__init__()
        self.settings = {'stem': stem, 'width': width, 'blocks': blocks, 'stem_px': stem_px, 'kernel': kernel}
        self._rim = (stem_px - 4) // 2  # its padding is grey, see `forward`
        self.stem = _convolution(3, stem, stem_px, 4, 0)
        self.down = _separable(stem, width, 3, 2)
        self.blocks = nn.ModuleList(_separable(width, width, kernel, 1) for _ in range(blocks))
        self._folded = False  # whether the stem's weights take pixels as they are
        self.head = nn.Conv2d(width, LEVELS * FINER**2, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Estimate the scores; see the class."""
        x = F.pad(pixels, (self._rim,) * 4, value=_GREY).float() if self._rim else pixels.float()
        x = self.down(self.stem(x if self._folded else (x - _GREY) / _SPREAD))
        for block in self.blocks:
            x = block(x).add_(x) if self._folded else x + block(x)  # in place, without the page faults of a fresh array
        return F.pixel_shuffle(self.head(x), FINER)

    def folded(self) -> ProposalNetwork:
        """Return a copy for inference, with normalisation folded into the convolutions, channels last."""
        copy = ProposalNetwork(**self.settings)
        copy.load_state_dict(self.state_dict())
        copy.eval()
        _fold(copy)
        stem = copy.stem[0]
        assert isinstance(stem, nn.Conv2d)
        assert stem.bias is not None  # of the normalisation
        with torch.no_grad():
            stem.bias -= (stem.weight * (_GREY / _SPREAD)).sum((1, 2, 3))
            stem.weight /= _SPREAD
        copy._folded = True
        return channels_last(copy.requires_grad_(False))


def channels_last(network: ProposalNetwork) -> ProposalNetwork:
    """Bring the weights into the memory format of images, in place."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stubs


def _convolution(inputs: int, outputs: int, size: int, stride: int, padding: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _separable(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    """Each channel's own convolution, then a mixture of the channels."""
    depthwise = nn.Conv2d(inputs, inputs, size, stride, size // 2, groups=inputs, bias=False)
    return nn.Sequential(depthwise, nn.BatchNorm2d(inputs), *_convolution(inputs, outputs, 1, 1, 0))


def _fold(module: nn.Module) -> None:
    for child in module.children():
        _fold(child)
    if not isinstance(module, nn.Sequential):
        return
    parts = list(module)
    for i, part in enumerate(parts[:-1]):
        following = parts[i + 1]
        if isinstance(part, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
            module[i] = torch.nn.utils.fusion.fuse_conv_bn_eval(part, following)
            module[i + 1] = nn.Identity()
