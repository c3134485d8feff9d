"""ONNX Runtime on the CPU, from the ONNX export; by name only: fastest for one face, slower than MNN for several."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor


class OnnxRuntimeBackend:
    """CNN of the ONNX file `path` in float32 on `threads` CPU threads, which sleep while they wait."""

    name = 'onnxruntime'

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')  # the tracker needs the cores too
        self._session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, x: Tensor) -> Tensor:
        """Embeddings (N, E) of network input (N, ...)."""
        return torch.from_numpy(self._session.run(None, {self._input: x.contiguous().numpy()})[0])
