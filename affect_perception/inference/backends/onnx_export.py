"""Export of the CNN of a checkpoint to ONNX, once; kept in the cache folder under a hash of the checkpoint.

The cache, `~/.cache/affect_perception` or $XDG_CACHE_HOME/affect_perception, holds weights only, each with its
checksum, and may be deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from affect_perception.models.face_model import FaceModel
from affect_perception.runtime.imports.torchvision_import import import_torchvision
from affect_perception.runtime.kept_files import cache_folder, kept

log = logging.getLogger(__name__)

FORMAT = 1  # part of the cache key: another number exports every file anew


class FeatureExtractor(nn.Module):
    """Module to export: network input (N, ...) to embeddings (N, E)."""

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Run the CNN."""
        return self.model.features(x)


def export_onnx(model: FaceModel, x: Tensor, weights_hash: str) -> Path:
    """ONNX file of the CNN of `model` (folded, on the CPU) for inputs like `x` (N, ...) with any N ≤ 4096.

    `weights_hash` identifies the weights. Raises what torch.onnx raises; ImportError without onnx and onnxscript.
    """
    key = hashlib.sha256(f'{FORMAT} {torch.__version__} {weights_hash}'.encode()).hexdigest()[:24]
    path = cache_folder() / f'{key}.onnx'
    return kept(path, lambda part: _export(model, x, path, part))


def _export(model: FaceModel, x: Tensor, path: Path, part: Path) -> None:
    log.info('Exporting %s to ONNX once (about 10 s): %s', type(model).__name__, path)
    example = x[:1].expand(2, *x.shape[1:]).contiguous()  # two inputs: a batch of one would become a constant
    with contextlib.suppress(ImportError):  # torch.onnx imports torchvision where it is installed
        import_torchvision()
    for name in ('torch.onnx', 'onnx_ir', 'onnxscript'):
        logging.getLogger(name).setLevel(logging.ERROR)  # they log every pass
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            FeatureExtractor(model).eval(),
            (example,),
            dynamo=True,
            dynamic_shapes={'x': {0: torch.export.Dim('faces', max=4096)}},
            verbose=False,
        )
        if program is None:
            raise RuntimeError('torch.onnx exported nothing')
        program.save(str(part))
