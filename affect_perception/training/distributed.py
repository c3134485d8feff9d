"""Several GPUs: `torchrun --nproc-per-node N -m affect_perception.cli train CONFIG`.

Each process reads its share of every batch and gradients are averaged, so the weights stay alike; only the first
process prints and saves. Without torchrun everything here does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn

from affect_perception.errors import ConfigError
from affect_perception.training.data.batches import Batch

BATCHES = ('ferplus_batch', 'lfw_batch', 'diffusionfer_batch', 'portraits_batch', 'no_face_batch', 'london_persons')


def start(settings: Any, batches: Sequence[str] = BATCHES) -> str:
    """Join the other processes, if any; the device of this one. ConfigError where one of `batches` cannot be shared."""
    if 'WORLD_SIZE' not in os.environ or int(os.environ['WORLD_SIZE']) < 2:
        return str(settings.device)
    world, rank = int(os.environ['WORLD_SIZE']), int(os.environ.get('LOCAL_RANK', 0))
    cuda = settings.device.startswith('cuda')
    for name in batches:
        count = getattr(settings, name)
        if count and count % world:
            raise ConfigError(f'{name} = {count} cannot be shared by {world} processes; give a multiple of {world}')
    if not distributed.is_initialized():
        distributed.init_process_group('nccl' if cuda else 'gloo')
    if not cuda:
        return str(settings.device)
    torch.cuda.set_device(rank)
    return f'cuda:{rank}'


def size() -> int:
    """Number of training processes; 1 outside torchrun."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def first() -> bool:
    """Whether this process scores, prints and saves."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def rank() -> int:
    """Number of this process from 0; 0 outside torchrun."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def total(value: float, device: torch.device) -> float:
    """Sum of a number over all processes."""
    if size() == 1:
        return value
    summed = torch.tensor(float(value), device=device)
    distributed.all_reduce(summed)
    return float(summed)


def share_of(batch: Batch) -> Batch:
    """The part of a batch that this process reads: every so-manieth picture."""
    world = size()
    if world == 1:
        return batch
    mine = slice(distributed.get_rank(), None, world)
    return Batch(*(part[mine] for part in batch))


def average_gradients(model: nn.Module) -> None:
    """The mean of everybody's gradients, in one exchange."""
    if size() == 1:
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    distributed.all_reduce(flat)
    flat /= size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def from_first(tensors: dict[str, Tensor]) -> None:
    """Copy the first process's tensors to all: statistics of batch normalisation, and weights that were loaded."""
    if size() > 1:
        for tensor in tensors.values():
            distributed.broadcast(tensor, 0)
