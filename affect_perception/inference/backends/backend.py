"""Interface of a backend, and which backends exist and can be used on this machine."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Protocol

from torch import Tensor

CPU_BACKENDS = ('torch', 'torch_bf16', 'mnn', 'openvino', 'openvino_bf16', 'onnxruntime')
GPU_BACKENDS = ('torch', 'torch_bf16', 'torch_fp16', 'torch_graph', 'torch_bf16_graph', 'torch_fp16_graph')
NAMES = tuple(dict.fromkeys(CPU_BACKENDS + GPU_BACKENDS))
_PACKAGES = {'mnn': 'MNN', 'openvino': 'openvino', 'onnxruntime': 'onnxruntime'}


class Backend(Protocol):
    """CNN of a network: network input (N, ...) float32 to embeddings (N, E) float32, on one device, for any N ≥ 1."""

    @property
    def name(self) -> str:
        """One of NAMES."""

    def __call__(self, x: Tensor) -> Tensor:
        """Run the CNN."""


def unavailable_reason(name: str, device: str = 'cpu') -> str:
    """Reason why backend `name` cannot be used on a device type (`cpu`, `cuda`), as "needs ..."; empty if it can."""
    if device != 'cpu':
        return '' if name in GPU_BACKENDS else 'it needs the CPU'
    if name not in CPU_BACKENDS:
        return 'it needs a GPU'
    if name.endswith('_bf16') and not cpu_has_bf16():
        return 'it needs a CPU with bfloat16 instructions'
    package = _PACKAGES.get(name.removesuffix('_bf16'))
    missing = (
        [p for p in (package, 'onnx', 'onnxscript') if p and importlib.util.find_spec(p) is None] if package else []
    )
    return f"it needs {', '.join(missing)} (pip install 'affect_perception[fast]')" if missing else ''


def is_available(name: str, device: str = 'cpu') -> bool:
    """Whether backend `name` can be used on a device type (`cpu`, `cuda`)."""
    return not unavailable_reason(name, device)


@functools.cache
def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies in bfloat16 (AVX-512 BF16 or AMX); without, bfloat16 is emulated and slower."""
    try:
        flags = Path('/proc/cpuinfo').read_text()
    except OSError:
        return False
    return 'avx512_bf16' in flags or 'amx_bf16' in flags
