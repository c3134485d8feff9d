"""OpenVINO on the CPU, from the ONNX export: in bfloat16 where the CPU has it, in float32 where MNN cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class OpenVinoBackend:
    """CNN of the ONNX file `path` on `threads` CPU threads, in float32 or bfloat16."""

    def __init__(self, path: Path, threads: int, bf16: bool = False) -> None:
        import openvino

        self.name = 'openvino_bf16' if bf16 else 'openvino'
        settings = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': threads,
            'INFERENCE_PRECISION_HINT': 'bf16' if bf16 else 'f32',
            'ENABLE_CPU_PINNING': False,  # the tracker's threads need the cores too
        }
        core = openvino.Core()
        self._request = core.compile_model(core.read_model(str(path)), 'CPU', settings).create_infer_request()

    def __call__(self, x: Tensor) -> Tensor:
        """Embeddings (N, E) of network input (N, ...)."""
        result = self._request.infer([x.contiguous().numpy()])
        return torch.from_numpy(np.array(result[0]))  # a copy: the request reuses its memory
