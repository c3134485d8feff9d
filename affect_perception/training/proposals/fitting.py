"""One network in training: loss, step with averaged weights, augmentation of canvases, and its recall."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from affect_perception.detectors.proposals.canvas import OUT
from affect_perception.detectors.proposals.finder import THRESHOLD
from affect_perception.detectors.proposals.network import ProposalNetwork, channels_last

FLOOR = -1.1  # scores below are told apart no further: 99 % of the positions without a face
THRESHOLDS = (-1.0, -0.9, -0.8, -0.7, -0.6, -0.5, -0.4)
_EVALUATED = 16  # pictures at once


class Fitting:
    """Network with its optimiser and the running average of its weights; `low`: see `loss_of`."""

    def __init__(self, network: ProposalNetwork, rate: float, low: float = 2.0, decay: float = 0.998) -> None:
        self.network, self._low, self.rate = network, low, rate
        device = next(network.parameters()).device
        self._optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.01, fused=device.type == 'cuda')
        self._average = torch.optim.swa_utils.AveragedModel(
            network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay), use_buffers=True
        )
        if device.type == 'cpu':
            channels_last(network)

    def step(self, pixels: Tensor, wanted: Tensor, done: float) -> tuple[Tensor, Tensor]:
        """Take a step on (N, 3, H, W) float32 at `done` of the training; the loss and the estimates, detached."""
        self._optimizer.param_groups[0]['lr'] = self.rate * cycle(done)
        estimated = self.network(pixels)
        loss = loss_of(estimated, wanted, self._low)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        self._average.update_parameters(self.network)
        return loss.detach(), estimated.detach()

    @property
    def average(self) -> ProposalNetwork:
        """Network with the averaged weights."""
        return cast(ProposalNetwork, self._average.module.eval())


def cycle(done: float) -> float:
    """Learning rate, of the highest, at `done` (0 to 1) of a training: one cycle, a cosine after a short rise."""
    return min(done / 0.05, 1) * (0.5 + 0.5 * math.cos(math.pi * min(done, 1)))


def moved(random: torch.Generator, pixels: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror half of the batches, and move them by half a cell, down or to the right, which the rim leaves room for."""
    mirror, down, right = torch.randint(0, 2, (3,), generator=random).tolist()
    if mirror:
        pixels, wanted = pixels.flip(3), wanted.flip(3)
    return pixels.roll((down * OUT, right * OUT), (2, 3)), wanted.roll((down, right), (2, 3))


def jittered(pixels: Tensor) -> Tensor:
    """Other exposure and a little noise, which change dlib's scores little."""
    one = pixels.new_empty((len(pixels), 1, 1, 1))
    gain, offset = 1 + 0.06 * torch.randn_like(one), 6 * torch.randn_like(one)
    return ((pixels - 128) * gain + 128 + offset + torch.randn_like(pixels) * 1.5).clamp(0, 255)


def loss_of(estimated: Tensor, wanted: Tensor, low: float = 2.0) -> Tensor:
    """Squared error of the scores clipped to FLOOR, weighted by nearness to dlib's faces; NaN targets count nothing.

    An estimate that is too low costs `low` times as much as one too high: a face not proposed is lost, a proposal too
    many costs a window.
    """
    known = wanted.isfinite()
    wanted = wanted.nan_to_num(FLOOR).clamp(FLOOR, 1.5)
    error = torch.where(wanted > FLOOR, estimated - wanted, (estimated - FLOOR).clamp(min=0))
    weight = known * (1 + 12 * (wanted > FLOOR) * ((wanted - FLOOR) / 1.1).clamp(max=1)) * (1 + (low - 1) * (error < 0))
    return (weight * error.square()).sum() / (12 * (known & (wanted > -0.8)).sum() + 0.02 * known.sum())


@torch.inference_mode()
def evaluate(network: ProposalNetwork, inputs: Tensor, outputs: Tensor) -> dict[str, list[float]]:
    """Recall of dlib's faces (local maxima of its score above 0) and proposals per picture, by threshold.

    `inputs` (N, 3, H, W) uint8, `outputs` (N, LEVELS, h, w). A face counts as proposed if an output within one of its
    own and one level reaches the threshold.
    """
    device = inputs.device
    thresholds = torch.tensor(THRESHOLDS, device=device)
    found, proposed, faces = torch.zeros(len(THRESHOLDS), device=device), torch.zeros(len(THRESHOLDS), device=device), 0
    for estimated, wanted in zip(estimates(network, inputs), outputs.split(_EVALUATED), strict=True):
        highest, face = at_faces(estimated, wanted)
        near, known = highest[face], estimated[wanted.isfinite()]
        faces += len(near)
        found += (near[:, None] >= thresholds).sum(0)
        proposed += (known[:, None] >= thresholds).sum(0)
    return {
        'thresholds': list(THRESHOLDS),
        'recall': [round(v, 5) for v in (found / max(faces, 1)).tolist()],
        'outputs_per_picture': [round(v, 1) for v in (proposed / max(len(inputs), 1)).tolist()],
    }


@torch.inference_mode()
def estimates(network: ProposalNetwork, inputs: Tensor) -> Iterator[Tensor]:
    """Estimated scores of pictures (N, 3, H, W), some at a time."""
    folded = network.folded().to(inputs.device)
    for pixels in inputs.split(_EVALUATED):
        yield folded(pixels.float())


def at_faces(estimated: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Highest estimate near each position, and whether dlib's score has a local maximum above 0 there.

    All (N, LEVELS, h, w); near: within one output and one level.
    """
    scores = wanted.float().nan_to_num(-9.0)
    highest, near = (F.max_pool3d(v[:, None], 3, 1, 1)[:, 0] for v in (scores, estimated))
    return near, (scores >= highest) & (scores > 0)


def missed(estimated: Tensor, wanted: Tensor) -> Tensor:
    """Faces of each picture that are not proposed, (N,)."""
    near, face = at_faces(estimated, wanted)
    return (face & (near < THRESHOLD)).flatten(1).sum(1)
