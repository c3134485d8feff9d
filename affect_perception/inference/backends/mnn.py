"""MNN on the CPU, from the ONNX export: batched Winograd convolutions, the fastest backend from four faces on.

Privacy: MNN's command line tools (`MNN.tools`, `mnnconvert`) report usage to their makers and install a package to do
so. They are never imported or run here: a child process calls the converter itself, the native module `_tools`, and
inference needs `MNN` only. Neither opens a socket (`strace -f -e trace=network`, MNN 3.6.1), and a test checks that
`MNN.tools` is not imported.

MNN prints one line about the CPU ("The device supports: ...") on the process's stdout when it loads.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affect_perception.runtime.kept_files import discard, kept

_CONVERT = """
import sys, _tools
_tools.mnnconvert(['mnnconvert', '-f', 'ONNX', '--modelFile', sys.argv[1], '--MNNModel', sys.argv[2]])
"""
_CONVERT_TIMEOUT_S = 300  # the paper's network, 134 MB, takes 3 s
_MIN_SHARE = 2  # crops per thread: one more session for fewer does not pay
_MAX_SESSIONS = 16  # with 32 crops there is a share for each


class MnnBackend:
    """CNN of the ONNX file `path` in float32; RuntimeError if MNN cannot convert, load or run it.

    Each of `threads` threads has a session of its own and takes a share of the batch. MNN's own threads share each
    layer instead and wait for each other by spinning: beside a busy tracker a step took half as long again as with one.
    """

    name = 'mnn'

    def __init__(self, path: Path, threads: int) -> None:
        file = convert_to_mnn(path)
        self._sessions = [_Session(file) for _ in range(min(threads, _MAX_SESSIONS))]
        self._pool = ThreadPoolExecutor(len(self._sessions), thread_name_prefix='mnn')

    def __call__(self, x: Tensor) -> Tensor:
        """Embeddings (N, E) of network input (N, ...)."""
        crops = x.contiguous().numpy()
        count = min(max(len(crops) // _MIN_SHARE, 1), len(self._sessions))
        (own, first), *rest = zip(self._sessions, np.array_split(crops, count), strict=False)
        running = [self._pool.submit(session, share) for session, share in rest]
        answers = [own(first), *(one.result() for one in running)]
        return torch.from_numpy(np.concatenate(answers) if running else answers[0])


class _Session:
    """MNN interpreter and session of one thread."""

    def __init__(self, file: Path) -> None:
        import MNN

        self._mnn: Any = MNN
        try:
            # Not `MNN.nn`, whose `forward` holds Python's global lock while it computes; `runSession` does not.
            self._network = self._mnn.Interpreter(str(file))
            # On a CPU `normal` is float32 with the same bytes as `high`, for which MNN prints a line per session.
            self._session = self._network.createSession({'backend': 'CPU', 'numThread': 1, 'precision': 'normal'})
        except Exception as error:  # MNN raises plain Exception; the error becomes one line
            discard(file)  # it is converted anew next time
            raise RuntimeError(f'MNN cannot load {file}: {error}') from error
        self._input = self._network.getSessionInput(self._session)

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Run the CNN on (N, ...) float32; returns (N, E) float32."""
        if self._input.getShape() != crops.shape:  # not padded to sizes: a resize costs less than one more face
            self._network.resizeTensor(self._input, crops.shape)
            self._network.resizeSession(self._session)
        self._input.copyFrom(self._tensor(crops))
        failed = self._network.runSession(self._session)
        if failed:
            raise RuntimeError(f'MNN failed with code {failed} on an input of {crops.shape}')
        output = self._network.getSessionOutput(self._session)
        host = self._tensor(np.empty(output.getShape(), np.float32))
        output.copyToHostTensor(host)
        return np.array(host.getNumpyData())  # a copy: `host` owns the memory

    def _tensor(self, array: np.ndarray) -> Any:
        mnn = self._mnn
        return mnn.Tensor(array.shape, mnn.Halide_Type_Float, array, mnn.Tensor_DimensionType_Caffe)


def convert_to_mnn(onnx: Path) -> Path:
    """MNN file of an ONNX file, converted once and kept beside it; RuntimeError if MNN cannot convert it."""
    path = onnx.with_suffix(f'.{version("MNN")}.mnn')
    return kept(path, lambda part: _convert(onnx, part))


def _convert(onnx: Path, part: Path) -> None:
    command = [sys.executable, '-c', _CONVERT, str(onnx), str(part)]
    try:  # in the cache folder, for -c imports from the working folder first
        done = subprocess.run(command, cwd=onnx.parent, capture_output=True, text=True, timeout=_CONVERT_TIMEOUT_S)
        said = (done.stderr + done.stdout).strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        said = [str(error)]
    if not part.is_file():  # the exit status is 0 whatever happens
        raise RuntimeError(f'MNN cannot convert {onnx}: {" ".join(said[-2:])}')
