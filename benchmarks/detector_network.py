"""Compare ways to run the convolutions of dlib's CNN detector in float32 on the CPU, alternating, on one image.

`python benchmarks/detector_network.py [--size 1280x720] [--rounds 7] [--threads 1]`: prints one line per way (median
CPU ms, ratio to the plain PyTorch layers as the median of the rounds' ratios, largest difference of a score) and one
JSON object as the last line. A round runs every way once, so that a machine that drifts slows all of them alike.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage import data
from torch import Tensor, nn

from affect_perception.bench.machine import machine
from affect_perception.detectors.dlib import network as ours
from affect_perception.detectors.dlib.pyramid import canvas_for
from affect_perception.detectors.dlib.weights import DETECTOR_FILE, read_net, weights_path
from affect_perception.inference.backends.mnn import MnnBackend
from affect_perception.inference.backends.onnxruntime import OnnxRuntimeBackend
from affect_perception.inference.backends.openvino import OpenVinoBackend

Run = Callable[[Tensor], np.ndarray]


class Plain(nn.Module):
    """The seven convolutions as PyTorch modules."""

    def __init__(self, convolutions: ours.Convolutions) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for weight, bias, stride, padding in convolutions:
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], stride, padding)
            layer.weight.data, layer.bias.data = weight, bias
            self.layers.append(layer)

    def forward(self, x: Tensor) -> Tensor:
        """(1, 3, H, W) to (1, 1, h, w)."""
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


def ways(network: ours.DetectorNetwork, tiled: Tensor, threads: int) -> dict[str, Run]:
    """Functions from the tiled canvas to the scores, by name."""
    exact = network._exact
    plain = Plain(exact).eval()

    def strips(x: Tensor) -> np.ndarray:
        x = network._cells(x)
        for convolution in exact[3:6]:
            x = torch.conv2d(x, *convolution).relu_()
        weight, bias, _, padding = exact[6]
        return ours._last_layer(x, weight, bias, padding)

    result: dict[str, Run] = {
        'plain layers': lambda x: plain(x)[0, 0].numpy(),
        'plain, last layer as products': lambda x: ours._scores(x, exact),
        'strips': strips,
        'strips + Winograd': network._all_exact,
    }
    folder = Path(tempfile.mkdtemp())
    path = folder / 'detector.onnx'
    torch.onnx.export(plain, (tiled.contiguous(),), str(path), input_names=['x'], output_names=['y'], dynamo=True)
    for name, make in {
        'openvino': lambda: OpenVinoBackend(path, threads),
        'onnxruntime': lambda: OnnxRuntimeBackend(path, threads),
        'mnn': lambda: MnnBackend(path, threads),
    }.items():
        try:
            backend = make()
            result[name] = lambda x, backend=backend: backend(x)[0, 0].numpy()
        except Exception as error:  # noqa: BLE001  whatever a backend raises
            print(f'{name} left out: {error}')
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--size', default='1280x720')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--threads', type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    width, height = map(int, args.size.split('x'))
    image = cv2.resize(data.astronaut(), (width, height))
    network = ours.DetectorNetwork(read_net(weights_path('', DETECTOR_FILE)), torch.device('cpu'), torch.float32)
    canvas = canvas_for(height, width, 10, 11)
    with torch.inference_mode():
        tiled = network._tiled(torch.from_numpy(image).permute(2, 0, 1)[None].float(), canvas)
    every = ways(network, tiled, args.threads)
    times: dict[str, list[float]] = {name: [] for name in every}
    answers = {}
    with torch.inference_mode():
        for turn in range(args.rounds + 1):
            for name, run in every.items():
                start = time.process_time()
                scores = run(tiled)
                seconds = time.process_time() - start
                answers[name] = scores
                if turn:  # the first one warms up
                    times[name].append(1e3 * seconds)
    plain = np.array(times['plain layers'])
    rows = {
        name: {
            'ms': round(float(np.median(ms)), 1),
            'ratio': round(float(np.median(np.array(ms) / plain)), 3),
            'max_deviation': float(np.abs(answers[name] - answers['plain layers']).max()),
        }
        for name, ms in times.items()
    }
    for name, row in rows.items():
        print(f'{name:<32}{row["ms"]:>9.1f} ms{row["ratio"]:>8.3f}   {row["max_deviation"]:.1e}')
    result = {'size': [width, height], 'canvas': [canvas.width, canvas.height], 'threads': args.threads}
    print(json.dumps({**result, 'rounds': args.rounds, 'ways': rows, 'machine': machine()}))


if __name__ == '__main__':
    main()
