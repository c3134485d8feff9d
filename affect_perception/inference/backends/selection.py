"""Selection of the backend that runs the CNN; recurrent layers and heads, a thousandth of the work, stay in PyTorch.

- `auto` times the candidates at the first start and takes the fastest whose outputs agree with PyTorch in float32;
  the choice is kept in the cache folder, and later starts only check that it still agrees. On a CPU the
  candidates are MNN, or OpenVINO where MNN cannot be used, PyTorch, and OpenVINO and PyTorch in bfloat16 where the CPU
  has it. benchmarks/results/backends.json has the times behind that list: OpenVINO in float32 is slower than MNN from
  four faces on, ONNX Runtime too, but for four faces on two threads (1 ms faster).
- `fixed` takes the first usable of `FIXED` with one thread, for identical bytes on every run.
- a name takes that backend, or raises ConfigError.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import platform
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from affect_perception.errors import ConfigError
from affect_perception.inference.backends.backend import (
    GPU_BACKENDS,
    NAMES,
    Backend,
    unavailable_reason,
)
from affect_perception.inference.backends.mnn import MnnBackend
from affect_perception.inference.backends.onnx_export import export_onnx
from affect_perception.inference.backends.onnxruntime import OnnxRuntimeBackend
from affect_perception.inference.backends.openvino import OpenVinoBackend
from affect_perception.inference.backends.pytorch import CudaGraphBackend, TorchBackend
from affect_perception.models.face_model import FaceModel, FaceOutput, TemporalModel
from affect_perception.models.sequence_model import SequenceOutput
from affect_perception.models.smile_va import USUAL_GAP_S
from affect_perception.runtime.kept_files import cache_folder, discard, is_whole, kept

log = logging.getLogger(__name__)

AUTO_ON_CPU = ('mnn', 'openvino', 'torch', 'openvino_bf16', 'torch_bf16')
FIXED = ('mnn', 'openvino', 'torch')  # float32, and each gives the same bytes for the same input on every run
MAX_DEVIATION = 0.01  # largest accepted difference of an output from PyTorch in float32
_SLOW_S = 0.5
auto_choices: dict[tuple[str, str, int], str] = {}  # (hash of the weights, device, threads) -> choice in this process


def select_backend(name: str, model: FaceModel, x: Tensor, weights_hash: str, threads: int) -> Backend:
    """Backend `name`, or the choice of `auto` or `fixed`, for the folded `model` and trial inputs `x` (N, ...).

    `weights_hash` identifies the weights. Logs the choice, the times of the candidates and why others were skipped.
    ConfigError for a named backend that is unknown, unavailable, cannot run the network, or deviates from PyTorch.
    """
    trial = Trial(model, x, weights_hash, threads=1 if name == 'fixed' else threads)  # the bytes depend on `threads`
    key = weights_hash, str(x.device), threads
    if name == 'auto' and key in auto_choices:
        name = auto_choices[key]
    if name == 'fixed':
        return _first_usable(trial)
    if name != 'auto':
        return trial.backend(name)
    chosen = _remembered(trial) or _fastest(trial)
    auto_choices[key] = chosen.name
    _remember(trial, chosen.name)
    return chosen


def _choice_file(trial: Trial) -> Path:
    """File of the choice for these weights on this machine, with these threads and libraries."""
    candidates = AUTO_ON_CPU if trial.x.device.type == 'cpu' else GPU_BACKENDS
    usable = [name for name in candidates if not unavailable_reason(name, trial.x.device.type)]
    text = f'{trial.weights_hash} {trial.x.device} {trial.threads} {torch.__version__} {_processor()} {usable}'
    return cache_folder() / f'backend-{hashlib.sha256(text.encode()).hexdigest()[:24]}.txt'


def _processor() -> str:
    """Model of the processor, as far as the system tells."""
    with contextlib.suppress(OSError):
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        return next((line for line in lines if line.startswith('model name')), platform.processor())
    return platform.processor()


def _remembered(trial: Trial) -> Backend | None:
    """Backend that `auto` chose at an earlier start, tried again but not timed; None without one that still agrees."""
    file = _choice_file(trial)
    if not is_whole(file):
        return None
    name = file.read_text()
    backend = trial.usable(name) if name in NAMES else None
    if backend is None:
        discard(file)
        return None
    log.info('Backend auto: %s, as chosen for %d threads at an earlier start (%s)', name, trial.threads, file)
    return backend


def _remember(trial: Trial, name: str) -> None:
    with contextlib.suppress(OSError):
        kept(_choice_file(trial), lambda part: part.write_text(name))


def _first_usable(trial: Trial) -> Backend:
    for name in FIXED:
        if backend := trial.usable(name):
            log.info('Backend fixed: %s, the first usable of %s', name, ', '.join(FIXED))
            return backend
    raise AssertionError('torch agrees with itself')


def _fastest(trial: Trial) -> Backend:
    times: dict[str, tuple[float, Backend]] = {}
    for name in AUTO_ON_CPU if trial.x.device.type == 'cpu' else GPU_BACKENDS:
        if name == 'openvino' and 'mnn' in times:
            log.info('Skipping backend openvino: measured to be slower than mnn; available by name')
        elif backend := trial.usable(name):
            times[name] = median_ms(backend, trial.x), backend
    chosen = min(times, key=lambda name: times[name][0])
    measured = ', '.join(f'{name} {ms:.1f} ms' for name, (ms, _) in times.items())
    log.info('Backend auto: %s, fastest for %d faces on %d threads: %s', chosen, len(trial.x), trial.threads, measured)
    return times[chosen][1]


class Trial:
    """Trial of backends on inputs `x` (N, ...): builds each one and compares its outputs with PyTorch in float32."""

    def __init__(self, model: FaceModel, x: Tensor, weights_hash: str, threads: int) -> None:
        self.model, self.x, self.weights_hash, self.threads = model, x, weights_hash, threads
        self._reference = trial_outputs(model, TorchBackend(model)(x))

    def backend(self, name: str) -> Backend:
        """Backend `name`; ConfigError if unknown, unavailable, unable to run the network, or deviating too much."""
        backend = make_backend(name, self.model, self.x, self.weights_hash, self.threads)
        try:
            deviation = max_deviation(trial_outputs(self.model, backend(self.x)), self._reference)
        except Exception as error:  # a runtime may raise anything; becomes one line with its text
            raise _cannot_run(name, error) from error
        if deviation > MAX_DEVIATION:
            raise ConfigError(
                f'backend {name!r} deviates from PyTorch by up to {deviation:.3g} (allowed: {MAX_DEVIATION}); '
                'choose another one, or auto'
            )
        return backend

    def usable(self, name: str) -> Backend | None:
        """Backend `name`, or None with the reason in the log."""
        if reason := unavailable_reason(name, self.x.device.type):
            log.info('Skipping backend %s: %s', name, reason)
            return None
        try:
            return self.backend(name)
        except ConfigError as error:
            log.warning('Skipping backend %s: %s', name, error)
            return None


def make_backend(name: str, model: FaceModel, x: Tensor, weights_hash: str, threads: int) -> Backend:
    """Build backend `name` of the folded `model` for inputs like `x`; ConfigError: unknown, unavailable or failing."""
    if name not in NAMES:
        raise ConfigError(f'no backend {name!r}; choose auto, fixed or one of {", ".join(NAMES)}')
    if reason := unavailable_reason(name, x.device.type):
        raise ConfigError(f'backend {name!r} cannot be used here: {reason}; or choose auto')
    try:
        if name.startswith('torch'):
            torch_backend = TorchBackend(model, next((p for p in ('fp16', 'bf16') if p in name), 'fp32'))
            return CudaGraphBackend(torch_backend) if name.endswith('_graph') else torch_backend
        path = export_onnx(model, x, weights_hash)
        if name == 'mnn':
            return MnnBackend(path, threads)
        if name == 'onnxruntime':
            return OnnxRuntimeBackend(path, threads)
        return OpenVinoBackend(path, threads, name.endswith('_bf16'))
    except Exception as error:  # exporters and runtimes may raise anything; becomes one line
        raise _cannot_run(name, error) from error


def _cannot_run(name: str, error: Exception) -> ConfigError:
    text = ' '.join(str(error).split())[:200]
    return ConfigError(f'backend {name!r} cannot run this network: {text}; choose another one, or auto')


def torch_threads(backend: str, threads: int) -> int:
    """PyTorch's CPU threads beside a backend: `threads` for PyTorch backends, else 1.

    Beside another backend PyTorch has little to do, and its threads would only wake each other.
    """
    return threads if backend.startswith('torch') else 1


def trial_outputs(model: FaceModel, embeddings: Tensor) -> Tensor:
    """Outputs (N, K) of embeddings (N, E), as of the first frame of N tracks: levels, intensity and, of networks that
    may lack them, all others.
    """
    output: FaceOutput
    if isinstance(model, TemporalModel):
        gaps = embeddings.new_full((len(embeddings),), USUAL_GAP_S)
        output, _ = model.advance(embeddings, gaps, model.initial_state(len(embeddings)))
    else:
        output = model.head(embeddings)
    others = [output.affect, output.expression, output.reactions] if isinstance(output, SequenceOutput) else []
    return torch.cat([output.levels, output.intensity[:, None], *others], 1)


def max_deviation(outputs: Tensor, reference: Tensor) -> float:
    """Largest absolute difference of two tensors of one shape; infinite where one of them alone has NaN."""
    both_nan = outputs.isnan() & reference.isnan()  # outputs that the network does not have
    difference = float((outputs - reference).abs().masked_fill(both_nan, 0).max())
    return difference if math.isfinite(difference) else math.inf


def median_ms(backend: Backend, x: Tensor, seconds: float = 0.15) -> float:
    """Median time in ms of one call with inputs `x`, over `seconds` and at least three calls, after a first one.

    One call is enough where the first one takes longer than half a second.
    """
    began = time.perf_counter()
    backend(x)
    least = 3 if time.perf_counter() - began < _SLOW_S else 1
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        began = time.perf_counter()
        backend(x)
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1e3
