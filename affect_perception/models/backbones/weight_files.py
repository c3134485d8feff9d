"""Read network weights of other programs as named tensors, without running code from files, and report what fits.

.safetensors; PyTorch .pth/.pt (`weights_only`); MatConvNet .mat of version 5 by scipy; Caffe .caffemodel.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from affect_perception.errors import ConfigError

# What the readers raise for files that hold something else.
UNREADABLE = (
    OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError,
    UnpicklingError, SafetensorError, struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class LoadReport:
    """Comparison of a file with a network: tensors loaded, missing in the file, extra in it, of another shape."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    different: tuple[str, ...]  # "name: file (3, 3), network (4, 4)"

    def __str__(self) -> str:
        parts = [f'{len(self.loaded)} tensors loaded']
        for title, names in (
            ('missing', self.missing),
            ('extra', self.extra),
            ('of another shape', self.different),
        ):
            if names:
                more = f' and {len(names) - 4} more' if len(names) > 4 else ''
                parts.append(f'{len(names)} {title} ({", ".join(names[:4])}{more})')
        return '; '.join(parts)


def load_matching(
    module: nn.Module, tensors: Mapping[str, Tensor], source: str, required: str, optional: tuple[str, ...] = ()
) -> LoadReport:
    """Copy tensors into `module` by name; ConfigError with the whole report unless all but `optional` ones fit.

    `optional` are prefixes of names that may be missing or of another shape. Nothing is copied when refused.
    """
    wanted = module.state_dict()
    shared = wanted.keys() & tensors.keys()
    different = {name for name in shared if wanted[name].shape != tensors[name].shape}
    different |= {name for name in shared - different if not torch.isfinite(tensors[name]).all()}
    counters = {name for name in wanted if name.endswith('num_batches_tracked')}
    report = LoadReport(
        tuple(name for name in wanted if name in shared - different),
        tuple(name for name in wanted if name not in tensors and name not in counters),
        tuple(sorted(tensors.keys() - wanted.keys())),
        tuple(_difference(name, tensors[name], wanted[name]) for name in wanted if name in different),
    )
    lacking = [name for name in (*report.missing, *sorted(different)) if not name.startswith(optional or ('\0',))]
    if lacking:
        raise ConfigError(f'{source} does not fit {required}: {report}; give the weights of {required}')
    module.load_state_dict({name: tensors[name].to(wanted[name].dtype) for name in report.loaded}, strict=False)
    return report


def _difference(name: str, given: Tensor, wanted: Tensor) -> str:
    if given.shape == wanted.shape:
        return f'{name}: NaN or infinite numbers'
    return f'{name}: file {tuple(given.shape)}, network {tuple(wanted.shape)}'


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Named tensors of a weight file; ConfigError for a missing, damaged, unsafe or unknown one."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise ConfigError(f'no weights at {path}')
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file

            tensors = load_file(str(path))
        elif path.suffix == '.mat':
            tensors = _matconvnet(path)
        elif path.suffix == '.caffemodel':
            tensors = _caffe(path.read_bytes())
        else:
            tensors = _pytorch(torch.load(path, map_location='cpu', weights_only=True))
    except UNREADABLE as error:
        raise ConfigError(f'{path} is no readable file of tensors: {" ".join(str(error).split())[:200]}') from None
    if not tensors:
        raise ConfigError(f'{path} holds no tensors; give a file of weights')
    return tensors


def _pytorch(content: Any) -> dict[str, Tensor]:
    """Tensors of a state dict, also inside `state_dict` or `model`, without the prefix of DataParallel."""
    for key in ('state_dict', 'model'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    return {str(name).removeprefix('module.'): t for name, t in content.items() if isinstance(t, Tensor)}


def _matconvnet(path: Path) -> dict[str, Tensor]:
    """Tensors `<layer>.weight` (out, in, H, W) and `<layer>.bias` of MatConvNet layers: (H, W, in, out) filters."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(str(path), squeeze_me=True, struct_as_record=False)
    except MatReadError as error:
        raise ValueError(str(error)) from None
    net = content.get('net', None)
    layers = np.atleast_1d(content['layers'] if net is None else net.layers)
    tensors = {}
    for layer in layers:
        given = getattr(layer, 'weights', None)
        if given is None or len(np.atleast_1d(given)) < 2:
            given = (getattr(layer, 'filters', None), getattr(layer, 'biases', None))
        if given[0] is None:
            continue
        filters = np.asarray(given[0], np.float32)
        filters = filters.reshape(*[1] * (4 - filters.ndim), *filters.shape)  # squeezed 1 × 1 filters
        tensors[f'{layer.name}.weight'] = torch.from_numpy(np.ascontiguousarray(filters.transpose(3, 2, 0, 1)))
        tensors[f'{layer.name}.bias'] = torch.from_numpy(np.asarray(given[1], np.float32).reshape(-1))
    return tensors


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Fields (number, value) of a protobuf message: integers, or bytes of messages, strings and packed arrays."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while place < len(data):
        key = varint()
        number, kind = key >> 3, key & 7
        if kind == 0:
            yield number, varint()
        elif kind in (1, 2, 5):
            size = {1: 8, 5: 4}.get(kind) or varint()
            if place + size > len(data):
                raise ValueError('the file ends inside a field')
            yield number, data[place : place + size]
            place += size
        else:
            raise ValueError(f'unknown field type {kind}')


def _caffe(data: bytes) -> dict[str, Tensor]:
    """Tensors `<layer>.weight` and `<layer>.bias` of a NetParameter (caffe.proto), of old (V1) or new layers."""
    tensors = {}
    for number, layer in _fields(data):
        if number not in (2, 100) or not isinstance(layer, bytes):  # V1LayerParameter, LayerParameter
            continue
        name_at, blobs_at = (4, 6) if number == 2 else (1, 7)
        fields = list(_fields(layer))
        name = next((value.decode() for at, value in fields if at == name_at), '')
        blobs = [_blob(value) for at, value in fields if at == blobs_at]
        for part, blob in zip(('weight', 'bias'), blobs, strict=False):
            tensors[f'{name}.{part}'] = blob.flatten() if part == 'bias' else blob
    return tensors


def _blob(data: bytes) -> Tensor:
    fields = list(_fields(data))
    values = b''.join(value for at, value in fields if at == 5)
    shape: list[int] = []
    for at, value in fields:
        if at == 7:  # BlobShape: dimensions, packed or one by one
            for _, dims in _fields(value):
                shape += [dims] if isinstance(dims, int) else _varints(dims)
    if not shape:
        old = dict(fields)
        shape = [old.get(at, 1) for at in (1, 2, 3, 4)]
    return torch.from_numpy(np.frombuffer(values, '<f4').reshape(shape).copy())


def _varints(data: bytes) -> list[int]:
    values, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            values.append(value)
            value = shift = 0
    return values
