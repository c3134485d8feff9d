"""PyTorch backends: three precisions, CUDA graphs, and smaller batches on a GPU that is short of memory."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable

import torch
from torch import Tensor

from affect_perception.errors import BadInputError
from affect_perception.inference.backends.backend import Backend
from affect_perception.models.face_model import FaceModel

log = logging.getLogger(__name__)

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # of the CUDA graphs
PRECISIONS = {'fp16': torch.float16, 'bf16': torch.bfloat16}


class TorchBackend:
    """CNN in PyTorch on the device of `model`; `precision` fp32, fp16 or bf16 of its products, float32 outputs."""

    def __init__(self, model: FaceModel, precision: str = 'fp32') -> None:
        self.name = 'torch' if precision == 'fp32' else f'torch_{precision}'
        self._device = next(model.parameters()).device.type
        self._dtype = PRECISIONS.get(precision)
        # On a GPU the weights are converted once; `autocast` would convert them at every call.
        convert = self._dtype is not None and self._device != 'cpu'
        self._model = copy.deepcopy(model).to(self._dtype) if convert else model

    def __call__(self, x: Tensor) -> Tensor:
        """Embeddings (N, E) of network input (N, ...)."""
        x = x.contiguous(memory_format=torch.channels_last)
        if self._dtype is None:
            return self._model.features(x)
        if self._device != 'cpu':
            return self._model.features(x.to(self._dtype)).float()
        with torch.autocast('cpu', self._dtype):
            return self._model.features(x).float()


# A recorded CUDA graph: (replay, inputs, outputs); write the inputs, call replay, read the outputs.
CapturedGraph = tuple[Callable[[], object], Tensor, Tensor]


class CudaGraphBackend:
    """PyTorch backend on a GPU, recorded as one CUDA graph per batch size: small networks launch slower than they run.

    A batch is padded to the next of `BATCH_SIZES`; larger batches run without a graph. `capture` records a graph; tests
    on the CPU give another one. Not measured on a GPU yet.
    """

    def __init__(
        self, backend: TorchBackend, capture: Callable[[TorchBackend, Tensor], CapturedGraph] | None = None
    ) -> None:
        self.name = f'{backend.name}_graph'
        self._backend = backend
        self._capture = capture or capture_graph
        self._graphs: dict[int, CapturedGraph] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Embeddings (N, E) of network input (N, ...)."""
        size = next((size for size in BATCH_SIZES if size >= len(x)), None)
        if size is None:
            return self._backend(x)
        if size not in self._graphs:
            self._graphs[size] = self._capture(self._backend, x.new_zeros(size, *x.shape[1:]))
        replay, inputs, outputs = self._graphs[size]
        inputs[: len(x)] = x
        replay()
        return outputs[: len(x)].clone()  # a copy: the next replay reuses the memory


def capture_graph(backend: TorchBackend, inputs: Tensor) -> CapturedGraph:
    """Record `backend` on `inputs` (N, ...) as a CUDA graph, after three warm-up runs on a stream of their own."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch has no annotation here
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            backend(inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = backend(inputs)
    return graph.replay, inputs, outputs


class MemoryBoundBackend:
    """Backend on a GPU that halves its batch size, permanently, when the GPU is out of memory.

    BadInputError `memory` if one face is too many.
    """

    def __init__(self, backend: Backend) -> None:
        self.name = backend.name
        self._backend = backend
        self._max_batch = 1 << 30  # faces

    def __call__(self, x: Tensor) -> Tensor:
        """Embeddings (N, E) of network input (N, ...)."""
        parts: list[Tensor] = []
        done = 0
        while done < len(x):
            part = x[done : done + self._max_batch]
            try:
                parts.append(self._backend(part))
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                if len(part) == 1:
                    raise BadInputError(
                        'memory', 'the GPU has no memory left for one face; close what else runs on it, or choose cpu'
                    ) from None
                self._max_batch = len(part) // 2
                log.warning('GPU out of memory for %d faces at once; batch size is now %d', len(part), self._max_batch)
            else:
                done += len(part)
        return parts[0] if len(parts) == 1 else torch.cat(parts)
