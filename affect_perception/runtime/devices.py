"""One choice of device and CPU threads for detector, network and benchmarks. PyTorch is imported when it is needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from affect_perception.errors import ConfigError

if TYPE_CHECKING:
    import torch

_MOST_THREADS = 4


def usable_cores() -> int:
    """CPU cores that this process may run on (affinity mask where the system has one), at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def default_threads() -> int:
    """CPU threads for one network beside a tracker: half of the usable cores, 1 to 4.

    PyTorch's threads wait for each other by spinning: with as many threads as cores, any other busy process makes a
    batch many times slower. MNN's do not, but two of them on two cores, taking turns with one beside tracker and
    detector, brought the median 3 ms forward and the slowest 5 % back as far.
    """
    return min(max(usable_cores() // 2, 1), _MOST_THREADS)


def chosen_device(wanted: str) -> torch.device:
    """PyTorch device of a setting: auto (cuda:0 if usable, else cpu), cpu, cuda or cuda:N.

    ConfigError for an unknown or absent device; never another device in its place. ImportError without PyTorch.
    """
    import torch

    if wanted == 'auto':
        return torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or device.type not in ('cpu', 'cuda'):
        raise ConfigError(f'no device {wanted!r}; choose auto, cpu, cuda or cuda:N')
    if device.type == 'cuda':
        present = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= present:
            raise ConfigError(f'device {wanted!r} is absent ({present} CUDA devices are usable); choose cpu or auto')
    return device
