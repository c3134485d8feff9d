"""Shapes of a network's tensors, found without memory for them: the settings in a file may ask for terabytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

MOST_SIDE = 2048  # px of an image that a network reads
MOST_NUMBER = 65536  # of units, channels or frames; the papers' networks have 4,096 or fewer


def shapes(network: type[nn.Module], settings: Mapping[str, Any], most: int) -> dict[str, torch.Size]:
    """Shapes by name of the tensors of `network(**settings)`.

    ValueError for more than `most` parameters, found before they are made, and for numbers that no network here needs;
    other settings that make no network raise any exception.
    """
    _check_numbers(settings)
    made = 0

    def count(_: nn.Module, __: str, parameter: nn.Parameter | None) -> None:
        nonlocal made
        made += parameter is not None and parameter.is_meta  # those of other threads are not
        if made > most:
            raise ValueError(f'more tensors than the {most} in the file')

    hook = register_module_parameter_registration_hook(count)
    try:
        with torch.device('meta'):
            return {name: tensor.shape for name, tensor in network(**settings).state_dict().items()}
    finally:
        hook.remove()


def _check_numbers(settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        most = MOST_SIDE if name == 'side' else MOST_NUMBER
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int | float) and not abs(number) <= most:  # NaN too
                raise ValueError(f'{name} {str(number)[:20]}; wanted at most {most}')
