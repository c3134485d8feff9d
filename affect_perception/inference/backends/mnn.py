"""MNN on the CPU, from the ONNX export: batched Winograd convolutions, the fastest here from the second face on.

Privacy: MNN's command line tools (`MNN.tools`, `mnnconvert`) report to their makers and install a package to do so.
They are never imported or run here: a child process calls the converter itself, the native module `_tools`, and
inference needs `MNN` only. Neither opens a socket (`strace -f -e trace=network`, MNN 3.6.1), and a test looks that
`MNN.tools` stays out.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

CONVERT = """
import sys, _tools
_tools.mnnconvert(['mnnconvert', '-f', 'ONNX', '--modelFile', sys.argv[1], '--MNNModel', sys.argv[2]])
"""
CONVERT_S = 300  # the paper's network, 134 MB, takes 3 s
_SHARE = 2  # crops: one more session for fewer does not pay
_MOST = 16  # sessions: with 32 crops there is a share for each
GREETINGS = (b'The device supports', b'MNN use')


class Mnn:
    """The network of the ONNX file `path` in float32. Raises RuntimeError where MNN cannot run it.

    With several `threads`, each has a session of its own and reads a share of the batch. MNN's threads share each layer
    instead and wait for each other by spinning: beside a busy tracker a step took half as long again as with one.
    """

    name = 'mnn'

    def __init__(self, path: Path, threads: int):
        file = converted(path)
        self._sessions = [_Session(file) for _ in range(min(threads, _MOST))]
        self._others = ThreadPoolExecutor(len(self._sessions), thread_name_prefix='mnn')

    def __call__(self, x: Tensor) -> Tensor:
        crops = x.contiguous().numpy()
        count = min(max(len(crops) // _SHARE, 1), len(self._sessions))
        (own, first), *rest = zip(self._sessions, np.array_split(crops, count), strict=False)
        running = [self._others.submit(session, share) for session, share in rest]
        answers = [own(first), *(one.result() for one in running)]
        return torch.from_numpy(np.concatenate(answers) if running else answers[0])


class _Session:
    """What one thread needs of MNN."""

    def __init__(self, file: Path):
        with without_greetings():
            import MNN

            self._tensor = lambda x: MNN.Tensor(x.shape, MNN.Halide_Type_Float, x, MNN.Tensor_DimensionType_Caffe)
            try:
                # Not `MNN.nn`, whose `forward` holds Python's global lock while it computes; `runSession` does not.
                self._network = MNN.Interpreter(str(file))
                self._session = self._network.createSession(
                    {'backend': 'CPU', 'numThread': 1, 'precision': 'high'}  # high: float32 on every CPU
                )
            except Exception as error:
                file.unlink(missing_ok=True)  # a damaged file is made anew next time
                raise RuntimeError(f'MNN cannot load {file}: {error}') from None
        self._input = self._network.getSessionInput(self._session)

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """(N, ...) float32 to (N, E) float32."""
        if self._input.getShape() != crops.shape:  # no buckets: another size costs less than one more face
            self._network.resizeTensor(self._input, crops.shape)
            self._network.resizeSession(self._session)
        self._input.copyFrom(self._tensor(crops))
        failed = self._network.runSession(self._session)
        if failed:
            raise RuntimeError(f'MNN failed with code {failed} on an input of {crops.shape}')
        result = self._network.getSessionOutput(self._session)
        answer = np.empty(result.getShape(), np.float32)
        host = self._tensor(answer)
        result.copyToHostTensor(host)
        return np.array(host.getNumpyData())  # a copy: the memory goes with `host`


def converted(onnx: Path) -> Path:
    """The MNN file of an ONNX file, made once and kept beside it; RuntimeError where MNN cannot convert it."""
    path = onnx.with_suffix(f'.{version("MNN")}.mnn')
    if path.is_file():
        return path
    part = path.with_suffix(f'.{os.getpid()}.part')
    command = [sys.executable, '-c', CONVERT, str(onnx), str(part)]
    try:  # in the cache folder, for -c imports from the working folder first
        done = subprocess.run(command, cwd=onnx.parent, capture_output=True, text=True, timeout=CONVERT_S)
        said = (done.stderr + done.stdout).strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        said = [str(error)]
    if not part.is_file():  # the exit status is 0 whatever happens
        raise RuntimeError(f'MNN cannot convert {onnx}: {" ".join(said[-2:])}')
    os.replace(part, path)
    return path


@contextlib.contextmanager
def without_greetings() -> Iterator[None]:
    """Native code that prints on stdout, which belongs to tables and to the JSON of the last line: MNN's greetings are
    dropped, whatever else is printed meanwhile goes to stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            os.write(2, b''.join(line for line in file if not line.startswith(GREETINGS)))
