"""PyTorch as a backend: on the CPU or a GPU, in three precisions, recorded as CUDA graphs, with less memory at hand."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

from affect_perception.errors import BadInputError

log = logging.getLogger(__name__)

BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # batch sizes that a graph is recorded for
PRECISIONS = {'fp16': torch.float16, 'bf16': torch.bfloat16}


class Torch:
    """PyTorch; `precision` fp16 or bf16 multiplies in it, and answers in float32."""

    def __init__(self, model: nn.Module, precision: str = 'fp32'):
        self.name = 'torch' if precision == 'fp32' else f'torch_{precision}'
        self._device = next(model.parameters()).device.type
        self._dtype = PRECISIONS.get(precision)
        # On a GPU with weights of that precision; `autocast` would convert them anew at every call.
        whole = self._dtype is not None and self._device != 'cpu'
        self._model = copy.deepcopy(model).to(self._dtype) if whole else model

    def __call__(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        if self._dtype is None:
            return self._model.features(x)
        if self._device != 'cpu':
            return self._model.features(x.to(self._dtype)).float()
        with torch.autocast('cpu', self._dtype):
            return self._model.features(x).float()


Replay = tuple[Callable[[], None], Tensor, Tensor]  # call it between writing the inputs and reading the outputs


class Graphs:
    """A PyTorch backend on a GPU, recorded as one CUDA graph per bucket of batch sizes: a small network takes longer
    to launch than to run.

    The batch is padded to its bucket; larger ones than the largest run as they are. Tested on the CPU with another
    `record`; it has not run on a GPU yet.
    """

    def __init__(self, backend: Torch, record: Callable[[Torch, Tensor], Replay] | None = None):
        self.name = f'{backend.name}_graph'
        self._backend = backend
        self._record = record or record_graph
        self._recorded: dict[int, Replay] = {}

    def __call__(self, x: Tensor) -> Tensor:
        bucket = next((size for size in BUCKETS if size >= len(x)), None)
        if bucket is None:
            return self._backend(x)
        if bucket not in self._recorded:
            self._recorded[bucket] = self._record(self._backend, x.new_zeros(bucket, *x.shape[1:]))
        replay, inputs, outputs = self._recorded[bucket]
        inputs[: len(x)] = x
        replay()
        return outputs[: len(x)].clone()  # the next replay writes there again


def record_graph(backend: Torch, inputs: Tensor) -> Replay:
    """What `backend` does with `inputs` (N, ...) on a GPU, to be replayed on whatever is written there later."""
    aside = torch.cuda.Stream()  # capturing wants libraries that are warm, and warmed on another stream
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            backend(inputs)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = backend(inputs)
    return graph.replay, inputs, outputs


class Frugal:
    """A backend that halves the batch when the GPU has no memory for it, for good; BadInputError for one face."""

    def __init__(self, backend: Torch | Graphs):
        self.name = backend.name
        self._backend = backend
        self._most = 1 << 30  # faces at once

    def __call__(self, x: Tensor) -> Tensor:
        parts: list[Tensor] = []
        done = 0
        while done < len(x):
            part = x[done : done + self._most]
            try:
                parts.append(self._backend(part))
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                if len(part) == 1:
                    raise BadInputError(
                        'memory', 'the GPU has no memory left for one face; close what else runs on it, or choose cpu'
                    ) from None
                self._most = len(part) // 2
                log.warning('the GPU has no memory for %d faces at once; now %d at a time', len(part), self._most)
            else:
                done += len(part)
        return parts[0] if len(parts) == 1 else torch.cat(parts)
