"""Stages of benchmarks/gpu.sh: one call runs one stage and appends its results to a file of JSON lines.

machine    versions, card, memory, time of a product of matrices
inference  one network at full size: the CNN with 1 to 256 faces by backend (eager, bf16, CUDA graphs), then the engine
           as live (preprocessing, transfer, CNN, state per track, read-outs) with the fastest backend; the weights are
           random but for smile_va
detector   dlib's CNN detector on the device: time per image, scores compared with the CPU; random weights where
           face_recognition_models is not installed and --detector gives no file
proposals  dlib's CNN on the windows of proposals alone, against the whole picture; skipped without dlib's weights
parity     all networks at reduced size: the same tracks through an engine on the CPU and one on the device
amp        training steps of witzig2019 at full size in fp32 and bf16: time, memory, loss
ddp        one process of torchrun, with DistributedDataParallel; losses are equal for any number of processes
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_networks import MODELS, SMALL, Row, inference, median_ms, network, parity
from gpu_proposals import proposals


def main() -> int:
    """Run one stage; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('stage', choices=STAGES)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--work', type=Path, required=True)
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--model', choices=MODELS, default='smile_va')
    parser.add_argument('--transport', choices=('nccl', 'gloo'), default='gloo')
    parser.add_argument('--detector', default='', help="file of dlib's CNN detector; the installed one by default")
    args = parser.parse_args()
    began = time.perf_counter()
    for row in STAGES[args.stage](args):
        after = round(time.perf_counter() - began, 2)
        line = json.dumps({'stage': args.stage, 'device': args.device, 'after_s': after} | row)
        with args.out.open('a') as file:
            file.write(line + '\n')
        print(line, flush=True)
    return 0


def machine(args: argparse.Namespace) -> Iterator[Row]:
    """Versions, card and speed."""
    row: Row = {'python': sys.version.split()[0], 'torch': torch.__version__, 'cpus': os.cpu_count()}
    try:
        import torchvision

        row['torchvision'] = torchvision.__version__
    except (ImportError, RuntimeError) as error:
        row['torchvision'] = f'none: {error}'
    if args.device == 'cuda':
        about = torch.cuda.get_device_properties(0)
        row |= {'card': about.name, 'memory_gb': round(about.total_memory / 1e9, 1), 'cuda': torch.version.cuda}
    yield row
    side = 4096 if args.device == 'cuda' else 512
    for kind in (torch.float32, torch.bfloat16):
        x = torch.randn(side, side, device=args.device, dtype=kind)
        ms = median_ms(partial(torch.mm, x, x), args.device)
        yield {'matrix': side, 'type': str(kind).removeprefix('torch.'), 'tflops': round(2 * side**3 / ms / 1e9, 2)}


def detector(args: argparse.Namespace) -> Iterator[Row]:
    """dlib's CNN detector: time of a detection by size and precision, and its scores against those of the CPU."""
    from affect_perception.detectors.dlib.network import DetectorNetwork
    from affect_perception.detectors.dlib.pyramid import canvas_for

    net, weights = detector_weights(args.detector)
    rng = np.random.default_rng(0)
    precisions = ('float32', 'bfloat16', 'float16') if args.device == 'cuda' else ('float32', 'bfloat16')
    sizes = ((640, 480), (1280, 720), (1920, 1080)) if args.device == 'cuda' else ((320, 240),)
    for width, height in sizes:
        coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, height // 16, width // 16)).astype(np.float32))
        image = torch.nn.functional.interpolate(coarse, (height, width), mode='bilinear')
        canvas = canvas_for(height, width, net.input['padding'], net.input['outer_padding'])
        with torch.inference_mode():
            exact = DetectorNetwork(net, torch.device('cpu'), torch.float32)(image, canvas, 0.0)
            for precision in precisions:
                kind = getattr(torch, precision)
                run = DetectorNetwork(net, torch.device(args.device), kind)
                there = image.to(args.device)
                # The highest threshold that leaves a few windows, as in images with some faces.
                lowest = float(np.sort(exact.ravel())[-20])
                ms = median_ms(partial(run, there, canvas, lowest), args.device)
                scores = run(there, canvas, lowest)
                above = exact > lowest
                row: Row = {'size': [width, height], 'precision': precision, 'weights': weights, 'ms': round(ms, 3)}
                row['max_difference_above_threshold'] = float(np.abs(scores[above] - exact[above]).max())
                yield row | {'score_range': [round(float(exact.min()), 3), round(float(exact.max()), 3)]}


def detector_weights(path: str) -> tuple[Any, str]:
    """dlib's network with its own weights where they are installed, else with random ones of the same shapes."""
    from affect_perception.detectors.dlib.network import LAYERS
    from affect_perception.detectors.dlib.weights import DETECTOR_FILE, DlibNet, Layer, read_net, weights_path
    from affect_perception.errors import ConfigError

    try:
        return read_net(weights_path(path, DETECTOR_FILE)), 'dlib'
    except ConfigError:
        pass
    rng, layers = np.random.default_rng(0), []
    for kind, *shape in LAYERS:
        if kind == 'con':
            outputs, inputs, rows, columns, stride, padding = (int(n) for n in shape)  # type: ignore[call-overload]
            weight = rng.normal(0, (2 / (inputs * rows * columns)) ** 0.5, (outputs, inputs, rows, columns))
            bias = np.zeros(outputs, np.float32)
            layers.append(Layer('con', weight.astype(np.float32), bias, (rows, columns, stride, padding)))
        elif kind == 'affine':
            ones = np.ones(int(shape[0]), np.float32)  # type: ignore[call-overload]
            layers.append(Layer('affine', ones, np.zeros_like(ones)))
        else:
            layers.append(Layer('relu'))
    about = {'mean': [122.782, 117.001, 104.298], 'padding': 10, 'outer_padding': 11}
    return DlibNet(loss={}, input=about, layers=tuple(layers)), 'random'


def amp(args: argparse.Namespace) -> Iterator[Row]:
    """Training steps of witzig2019 in fp32 and in bf16: ms, peak memory, first and last loss."""
    count, settings = (16, {}) if args.device == 'cuda' else (1, SMALL['witzig2019'])
    images = torch.rand(count, 20, 3, 96, 96, device=args.device) * 2 - 1
    levels = torch.randint(0, 4, (count, 20), device=args.device)
    for bf16 in (False, True):
        model = network('witzig2019', settings, args.device).train()
        losses: list[float] = []
        if args.device == 'cuda':
            torch.cuda.reset_peak_memory_stats()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
        step = partial(train_step, model, optimizer, images, levels, bf16, losses)
        ms = median_ms(step, args.device, 2.0)
        row: Row = {'bf16': bf16, 'sequences': count, 'ms': round(ms, 2), 'loss': [losses[0], losses[-1]]}
        row['images_per_s'] = round(count * 20 / ms * 1e3)
        if args.device == 'cuda':
            row['memory_mb'] = round(torch.cuda.max_memory_allocated() / 1e6)
        yield row


def train_step(
    model: Any, optimizer: Any, images: torch.Tensor, levels: torch.Tensor, bf16: bool, losses: list[float]
) -> None:
    """Take one step on images (N, T, 3, 96, 96) with levels (N, T); appends the loss."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        outputs = model({'images': images})
    loss, _ = model.loss({'levels': outputs['levels'].float(), 'mask': outputs['mask']}, {'levels': levels})
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(float(loss.detach()))


def ddp(args: argparse.Namespace) -> Iterator[Row]:
    """One process of torchrun: eight steps of a small witzig2019, each process on its share of one batch."""
    from torch import distributed

    distributed.init_process_group(args.transport)
    rank, world = distributed.get_rank(), distributed.get_world_size()
    model = network('witzig2019', SMALL['witzig2019'], args.device).train()
    parallel = torch.nn.parallel.DistributedDataParallel(model)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(4, 4, 3, 96, 96, generator=generator) * 2 - 1
    levels = torch.randint(0, 4, (4, 4), generator=generator)
    mine = slice(rank, None, world)
    batch, targets = {'images': images[mine].to(args.device)}, {'levels': levels[mine].to(args.device)}
    optimizer = torch.optim.Adam(parallel.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss, _ = model.loss(parallel(batch), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean = loss.detach().clone()
        distributed.all_reduce(mean)
        losses.append(round(float(mean) / world, 6))
    total = torch.stack([p.detach().double().abs().sum() for p in model.parameters()]).sum()
    total = total.cpu() if args.transport == 'gloo' else total
    sums = [torch.zeros_like(total) for _ in range(world)]
    distributed.all_gather(sums, total)
    distributed.destroy_process_group()
    if rank == 0:
        equal = all(torch.equal(sums[0], other) for other in sums)
        row: Row = {'processes': world, 'transport': args.transport, 'losses': [losses[0], losses[-1]]}
        yield row | {'equal_weights': equal, 'weight_sum': float(total)}


STAGES: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    'machine': machine,
    'inference': inference,
    'detector': detector,
    'proposals': proposals,
    'parity': parity,
    'amp': amp,
    'ddp': ddp,
}

if __name__ == '__main__':
    sys.exit(main())
