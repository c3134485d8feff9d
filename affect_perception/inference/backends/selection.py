"""What runs the CNN: PyTorch, MNN, OpenVINO or ONNX Runtime on the CPU, PyTorch on a GPU, behind one small interface.

The recurrent part and the heads are a thousandth of the work and stay in PyTorch. `choose` measures the candidates and
takes the fastest whose answers agree with PyTorch in float32, or, for work that is to repeat, the first of `FIXED`.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from affect_perception.errors import ConfigError
from affect_perception.inference.backends.mnn import Mnn
from affect_perception.inference.backends.onnx_export import exported
from affect_perception.inference.backends.pytorch import Graphs, Torch

log = logging.getLogger(__name__)

ON_CPU = ('torch', 'torch_bf16', 'mnn', 'openvino', 'openvino_bf16', 'onnxruntime')
ON_GPU = ('torch', 'torch_bf16', 'torch_fp16', 'torch_graph', 'torch_bf16_graph', 'torch_fp16_graph')
NAMES = tuple(dict.fromkeys(ON_CPU + ON_GPU))
FIXED = ('mnn', 'openvino', 'torch')  # float32, and each gives the same bytes for the same input whenever it is run
TOLERANCE = 0.01  # largest difference of a probability, an intensity, valence or arousal from PyTorch in float32
_taken: dict[tuple[str, str, int], str] = {}  # (weights, device, threads) -> what auto took in this process before


class Backend(Protocol):
    """Network inputs (N, ...) float32 on the device to embeddings (N, E) float32 on the device, for any N from 1 on."""

    name: str

    def __call__(self, x: Tensor) -> Tensor: ...


class OpenVino:
    """Intel's OpenVINO on the CPU, from the ONNX file `path`."""

    def __init__(self, path: Path, threads: int, bf16: bool = False):
        import openvino

        self.name = 'openvino_bf16' if bf16 else 'openvino'
        settings = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': threads,
            'INFERENCE_PRECISION_HINT': 'bf16' if bf16 else 'f32',
            'ENABLE_CPU_PINNING': False,  # the tracker's threads live here too
        }
        core = openvino.Core()
        self._request = core.compile_model(core.read_model(str(path)), 'CPU', settings).create_infer_request()

    def __call__(self, x: Tensor) -> Tensor:
        result = self._request.infer([x.contiguous().numpy()])
        return torch.from_numpy(np.array(result[0]))  # a copy: the request writes there again


class OnnxRuntime:
    """Microsoft's ONNX Runtime on the CPU, from the ONNX file `path`."""

    name = 'onnxruntime'

    def __init__(self, path: Path, threads: int):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')  # a core is wanted elsewhere
        self._session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self._session.run(None, {self._input: x.contiguous().numpy()})[0])


def installed(name: str, device: str = 'cpu') -> bool:
    """Can this backend be used here? On a GPU PyTorch only; bfloat16 on the CPU wants one that multiplies in it."""
    if device != 'cpu':
        return name in ON_GPU
    if name not in ON_CPU or (name.endswith('_bf16') and not cpu_has_bf16()):
        return False
    package = {'mnn': 'MNN'}.get(name, name.removesuffix('_bf16'))
    if package == 'torch':
        return True
    return all(importlib.util.find_spec(needed) is not None for needed in (package, 'onnx', 'onnxscript'))


@functools.cache
def cpu_has_bf16() -> bool:
    """Does the CPU multiply in bfloat16 (AVX-512 BF16 or AMX)? Without, bfloat16 is emulated and slower."""
    try:
        flags = Path('/proc/cpuinfo').read_text()
    except OSError:
        return False
    return 'avx512_bf16' in flags or 'amx_bf16' in flags


def pytorch_threads(backend: str, threads: int) -> int:
    """PyTorch's share of `threads` on the CPU: beside another backend it has little to do, and its threads would only
    wake each other."""
    return threads if backend.startswith('torch') else 1


def make(name: str, model: nn.Module, x: Tensor, identity: str, threads: int) -> Backend:
    """Backend `name` of the folded `model` for inputs like `x`; ConfigError: it is absent, unknown or cannot do it."""
    if name not in NAMES:
        raise ConfigError(f'no backend {name!r}; choose auto, fixed or one of {", ".join(NAMES)}')
    if not installed(name, x.device.type):
        wanted = "the CPU, and pip install 'affect_perception[fast]'"
        if name.startswith('torch'):
            wanted = 'a CPU with bfloat16' if name in ON_CPU else 'a GPU'
        raise ConfigError(f'backend {name!r} cannot be used here: it needs {wanted}; or choose auto')
    try:
        return _made(name, model, x, identity, threads)
    except Exception as error:  # of an exporter or a runtime
        raise _cannot(name, error) from error


def _made(name: str, model: nn.Module, x: Tensor, identity: str, threads: int) -> Backend:
    if name.startswith('torch'):
        precision = next((p for p in ('fp16', 'bf16') if p in name), 'fp32')
        backend = Torch(model, precision)
        return Graphs(backend) if name.endswith('_graph') else backend
    path = exported(model, x, identity)
    if name == 'mnn':
        return Mnn(path, threads)
    if name == 'onnxruntime':
        return OnnxRuntime(path, threads)
    return OpenVino(path, threads, name.endswith('_bf16'))


def _cannot(name: str, error: Exception) -> ConfigError:
    said = ' '.join(str(error).split())[:200]
    return ConfigError(f'backend {name!r} cannot run this network: {said}; choose another one, or auto')


def agrees(answer: Callable[[Tensor], Tensor], backend: Backend, reference: Tensor, x: Tensor) -> float:
    """Largest difference of `answer(embeddings)`, numbers (N, K), from the `reference`; infinite for NaN."""
    difference = (answer(backend(x)) - reference).abs().max().item()
    return difference if np.isfinite(difference) else float('inf')


def choose(
    wanted: str, model: nn.Module, x: Tensor, answer: Callable[[Tensor], Tensor], identity: str, threads: int
) -> Backend:
    """The backend `wanted`; for 'auto' the fastest on inputs `x` (N, ...) whose answers agree, for 'fixed' the first
    of FIXED that is installed and agrees; says which and why.

    `answer` turns embeddings into the numbers that are compared. ConfigError for one that was asked for and is absent,
    cannot be made, or disagrees.
    """
    reference = answer(Torch(model)(x))
    key = identity, str(x.device), threads
    wanted = _taken.get(key, wanted) if wanted == 'auto' else wanted
    if wanted == 'fixed':
        threads = 1  # MNN's last digit hangs on their number, and that on the machine and on how many work beside

    def checked(name: str) -> Backend:
        backend = make(name, model, x, identity, threads)
        try:
            apart = agrees(answer, backend, reference, x)
        except Exception as error:
            raise _cannot(name, error) from error
        if apart > TOLERANCE:
            raise ConfigError(
                f'backend {name!r} answers up to {apart:.3g} apart from PyTorch (allowed: {TOLERANCE}); '
                'choose another one, or auto'
            )
        return backend

    if wanted not in ('auto', 'fixed'):
        return checked(wanted)
    timed: dict[str, tuple[float, Backend]] = {}
    for name in (name for name in (NAMES if wanted == 'auto' else FIXED) if installed(name, x.device.type)):
        try:
            backend = checked(name)
        except ConfigError as error:  # one candidate less
            log.warning('left out: %s', error)
            continue
        if wanted == 'fixed':
            log.info('backend %s, the first of %s that can be used', name, ', '.join(FIXED))
            return backend
        timed[name] = milliseconds(backend, x), backend
    best = min(timed, key=lambda name: timed[name][0])
    log.info(
        'backend %s, the fastest of %s (ms for %d faces)',
        best,
        ', '.join(f'{name} {ms:.1f}' for name, (ms, _) in timed.items()),
        len(x),
    )
    _taken[key] = best
    return timed[best][1]


def milliseconds(backend: Backend, x: Tensor, seconds: float = 0.15) -> float:
    """Median time of one call, over a moment."""
    backend(x)
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        backend(x)
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1e3
