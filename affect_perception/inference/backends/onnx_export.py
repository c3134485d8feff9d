"""The CNN of a checkpoint as an ONNX file, made once and kept in the cache folder under the hash of the checkpoint.

`~/.cache/affect_perception` (or $XDG_CACHE_HOME) holds weights only; delete it whenever you like.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

FORMAT = 1  # of what is exported; another number makes every file anew


class Embedder(nn.Module):
    """What is exported: network input (N, ...) to embeddings (N, E)."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.features(x)


def cache_folder() -> Path:
    """Where exports are kept; a folder of this process alone where that cannot be written."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    folder = Path(base) / 'affect_perception'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix='affect_perception-'))


def exported(model: nn.Module, x: Tensor, identity: str) -> Path:
    """The ONNX file of the CNN of `model` (folded, on the CPU) for inputs like `x` (N, ...) with any N.

    `identity` is a hash of the weights. Raises what torch.onnx raises, ImportError without onnx and onnxscript.
    """
    key = hashlib.sha256(f'{FORMAT} {torch.__version__} {identity}'.encode()).hexdigest()[:24]
    path = cache_folder() / f'{key}.onnx'
    if path.is_file():
        return path
    log.info('exporting the CNN to %s, once', path)
    part = path.with_suffix(f'.{os.getpid()}.part')
    # Two examples, for a batch of one would become a constant.
    example = x[:1].expand(2, *x.shape[1:]).contiguous()
    for name in ('torch.onnx', 'onnx_ir', 'onnxscript'):
        logging.getLogger(name).setLevel(logging.ERROR)  # they tell of every pass
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            Embedder(model).eval(),
            (example,),
            dynamo=True,
            dynamic_shapes={'x': {0: torch.export.Dim('faces', max=4096)}},
            verbose=False,
        )
        program.save(str(part))
    os.replace(part, path)
    return path


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
