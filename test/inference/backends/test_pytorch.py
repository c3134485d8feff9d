"""PyTorch backends for GPUs, tested on the CPU: padding to CUDA graphs, smaller batches when memory is short."""

import pytest
import torch
from builders.inference import small_smile_va

from affect_perception.errors import BadInputError
from affect_perception.inference.backends.pytorch import CudaGraphBackend, MemoryBoundBackend, TorchBackend
from affect_perception.models import checkpoint


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Checkpoint of a small network; exports go to a cache folder of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield small_smile_va(tmp_path_factory.mktemp('weights'))


def eager(backend: TorchBackend, inputs: torch.Tensor):
    """Capture of a graph, imitated on the CPU: the same memory at every replay."""
    outputs = torch.empty_like(backend(inputs))
    return lambda: outputs.copy_(backend(inputs)), inputs, outputs


@torch.inference_mode()
def test_cuda_graphs_pad_a_batch_to_the_next_size_and_give_the_network_s_embeddings(weights):
    plain = TorchBackend(checkpoint.load(weights).model.fold())
    recorded = []
    graphs = CudaGraphBackend(plain, lambda backend, inputs: recorded.append(len(inputs)) or eager(backend, inputs))
    assert graphs.name == 'torch_graph'
    for faces in (1, 3, 4, 2, 300, 7, 1):
        x = torch.randn(faces, 1, 64, 64)
        assert torch.allclose(graphs(x), plain(x), atol=1e-5)
    assert recorded == [1, 4, 2, 8]


class SmallGpu(TorchBackend):
    """Backend out of memory for more than `most` faces."""

    most = 5

    def __call__(self, x):
        if len(x) > self.most:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory')
        return super().__call__(x)


@torch.inference_mode()
def test_a_gpu_out_of_memory_gets_half_as_many_faces_at_once(weights, caplog):
    backend = SmallGpu(checkpoint.load(weights).model.fold())
    bound = MemoryBoundBackend(backend)
    x = torch.randn(19, 1, 64, 64)
    assert torch.allclose(bound(x), TorchBackend(checkpoint.load(weights).model.fold())(x), atol=1e-5)
    assert [record.args for record in caplog.records] == [(19, 9), (9, 4)]
    backend.most = 4
    assert len(bound(x)) == 19
    assert len(caplog.records) == 2  # the smaller batch size is kept
    backend.most = 0
    with pytest.raises(BadInputError, match='no memory left for one face') as error:
        bound(x)
    assert error.value.kind == 'memory'
