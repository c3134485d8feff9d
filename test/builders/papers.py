"""Small settings of the papers' networks, batches of generated clips, and a plain training loop."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from affect_perception.models import MODELS, checkpoint
from affect_perception.models.blocks.objectives import METRICS
from affect_perception.models.sequence_model import SequenceModel

SMALL: dict[str, dict[str, Any]] = {
    'witzig2019': {'width': 1 / 16, 'hidden': 16},
    'qian2023': {'width': 1 / 16, 'side': 32, 'frames': 4, 'hidden': 16, 'dense': 16, 'window_s': 2.0},
    'vielzeuf2018': {'width': 1 / 16, 'side': 32, 'frames': 4, 'hidden': 8, 'dropout': 0.0, 'window_s': 2.0},
    'parthasarathy2020': {
        'width': 1 / 16, 'size': 16, 'feedforward': 16, 'hidden': 16, 'frames': 8, 'audio': 5, 'stack': 3, 'dropout': 0,
    },
    'aspandi2020': {'generator_channels': 4, 'discriminator_channels': 8, 'side': 32, 'audio': 6},
}  # fmt: skip


def needs_torchvision(name: str) -> pytest.MarkDecorator:
    """Skip mark of the networks with torchvision's backbones where it is not installed."""
    missing = name in ('qian2023', 'vielzeuf2018') and importlib.util.find_spec('torchvision') is None
    return pytest.mark.skipif(missing, reason='needs torchvision (pip install affect-perception[papers])')


def clips(count: int, frames: int, side: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images (N, T, 3, side, side) in [-1, 1] and their affect (N, T, 2): brightness of the red and the green half."""
    generator = torch.Generator().manual_seed(seed)
    start, slope = (torch.rand(2, count, 2, generator=generator) * 2 - 1)[:, :, None]
    affect = (start + slope * torch.linspace(-0.5, 0.5, frames)[None, :, None]).clamp(-1, 1)
    images = torch.rand(count, frames, 3, side, side, generator=generator) * 0.2 - 0.1
    images[:, :, 0, :, : side // 2] += affect[..., 0, None, None] * 0.9
    images[:, :, 1, :, side // 2 :] += affect[..., 1, None, None] * 0.9
    return images.clamp(-1, 1), affect


def overfit(
    model: SequenceModel,
    batch: dict[str, Tensor],
    targets: dict[str, Tensor],
    rate: float,
    steps: int,
    goal: float = 0.95,
) -> float:
    """Train on one batch until the model's own metric, which is returned, reaches `goal`, at most `steps`."""
    torch.manual_seed(1)
    if hasattr(model, 'cnn'):  # VGG without normalisation does not train from Glorot in a few steps
        for module in (*model.cnn, model.fc6):
            if hasattr(module, 'weight'):
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
    optimizers = {
        player: torch.optim.Adam(model.parameters_of(player), lr=rate)
        for player in model.players
        if model.parameters_of(player)
    }
    metric, output = next(iter(model.metrics.items()))
    score = float('nan')
    for step in range(steps):
        model.train()
        for player, optimizer in optimizers.items():
            outputs = model(batch, None if player == 'all' else player)
            loss, _ = model.loss(outputs, targets, player)
            model.zero_grad()
            loss.backward()
            optimizer.step()
        if step % 10 == 9:
            model.eval()
            with torch.inference_mode():
                score = METRICS[metric](model(batch)[output], targets[output])
            if score >= goal + 0.01:
                break
    return score


def paper_checkpoint(
    name: str, folder: Path, crop_size: int = 0, header: dict[str, Any] | None = None, **settings: Any
) -> str:
    """Path of a checkpoint of a small network with random weights whose outputs differ from face to face."""
    torch.manual_seed(6)
    model = MODELS[name](**SMALL[name] | settings)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
    for part in ('head', 'affect', 'expression'):
        if isinstance(head := getattr(model, part, None), torch.nn.Linear):
            torch.nn.init.normal_(head.weight, std=1.0)
    path = folder / f'{name}.safetensors'
    size = crop_size or model.inputs.side or 96
    checkpoint.save(path, model, name, crop_size=size, crop_margin=0.15, **(header or {}))
    return str(path)
