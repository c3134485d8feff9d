"""Networks of the stages in gpu_stages.py: timing, random checkpoints, inference at full size, parity with the CPU."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

Row = dict[str, Any]
MODELS = ('smile_va', 'witzig2019', 'qian2023', 'vielzeuf2018', 'parthasarathy2020', 'aspandi2020')
BACKENDS = {
    'cuda': ('torch', 'torch_bf16', 'torch_graph', 'torch_bf16_graph', 'torch_fp16_graph'),
    'cpu': ('torch', 'torch_bf16'),
}
FACES = {'cuda': (1, 8, 64, 256), 'cpu': (1, 2)}
SMALL: dict[str, Row] = {
    'smile_va': {'channels': (8, 12, 16, 20), 'blocks': (1, 1, 1, 1), 'hidden': 16},
    'witzig2019': {'width': 1 / 8, 'hidden': 32},
    'qian2023': {'width': 1 / 8, 'side': 64, 'frames': 4, 'hidden': 32, 'window_s': 1.0},
    'vielzeuf2018': {'width': 1 / 8, 'side': 64, 'frames': 4, 'pooling': 'lstm', 'hidden': 16, 'window_s': 1.0},
    'parthasarathy2020': {'width': 1 / 8, 'size': 64, 'feedforward': 64, 'frames': 8, 'audio': 5, 'stack': 3},
    'aspandi2020': {'generator_channels': 8, 'discriminator_channels': 8, 'side': 64},
}
FRAME_NS = 33_333_333


def median_ms(call: Callable[[], object], device: str, seconds: float = 0.12) -> float:
    """Median time of a call in ms after a first one, over `seconds` and at least three calls."""

    def once() -> float:
        began = time.perf_counter()
        call()
        if device == 'cuda':
            torch.cuda.synchronize()
        return (time.perf_counter() - began) * 1e3

    if once() > 2000:
        return once()
    once()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        times.append(once())
    return float(np.median(times))


def network(name: str, settings: Row, device: str) -> Any:
    """Network with random weights whose outputs differ from face to face, made on the device."""
    from affect_perception.models import MODELS as NETWORKS

    torch.manual_seed(0)
    with torch.device(device):
        model = NETWORKS[name](**settings)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
    return model.eval()


def saved(model: Any, name: str, folder: Path) -> str:
    """Path of a checkpoint of `model`."""
    from affect_perception.models import checkpoint

    side = model.inputs.side if hasattr(model, 'inputs') else 96
    path = folder / f'{name}{checkpoint.SUFFIX}'
    checkpoint.save(path, model, name, crop_size=side, crop_margin=0.15)
    return str(path)


@torch.inference_mode()
def inference(args: argparse.Namespace) -> Iterator[Row]:
    """One network at full size: its CNN by backend, then the engine."""
    from affect_perception.inference.backends import selection
    from affect_perception.models import checkpoint
    from affect_perception.models.sequence_model import SequenceModel

    name, device = args.model, args.device
    settings = {} if device == 'cuda' else SMALL[name]  # a rehearsal takes the small ones
    given = name if name == 'smile_va' else saved(network(name, settings, device), name, args.work)
    loaded = checkpoint.load(given, device)
    model = loaded.model.fold()
    model.to(memory_format=torch.channels_last)
    yield {'model': name, 'parameters_m': round(sum(p.numel() for p in model.parameters()) / 1e6, 2)}
    best = ('torch', float('inf'))
    for faces in FACES[device]:
        crops = torch.randint(0, 256, (faces, loaded.crop_size, loaded.crop_size, 3), device=device).to(torch.uint8)
        x = model.preprocess(crops)
        x = model.with_sound(x, None) if isinstance(model, SequenceModel) else x
        for backend_name in BACKENDS[device]:
            try:
                backend = selection.make_backend(backend_name, model, x, 'gpu', 1)
                ms = median_ms(partial(backend, x), device)
            except Exception as error:  # noqa: BLE001 - the other backends go on
                yield {'model': name, 'faces': faces, 'part': 'cnn', 'backend': backend_name, 'error': str(error)[:300]}
                continue
            if faces == 8 or device == 'cpu':
                best = min(best, (backend_name, ms), key=lambda pair: pair[1])
            yield {'model': name, 'faces': faces, 'part': 'cnn', 'backend': backend_name, 'ms': round(ms, 3)}
            del backend
    del model, loaded
    yield from engine_times(given, name, best[0], device)


def engine_times(given: str, name: str, backend: str, device: str) -> Iterator[Row]:
    """Time of `AffectEngine.step` with frames of 1 to 256 faces, from crops in memory to records."""
    from affect_perception.inference.engine import AffectEngine
    from affect_perception.settings import AffectSettings

    began = time.perf_counter()
    engine = AffectEngine(AffectSettings(model=given, device=device, backend=backend, stride_s=0.0))
    start_s = round(time.perf_counter() - began, 2)
    for faces in FACES[device]:
        engine.reset()
        frames = [frame_of(faces, i, engine.crops.size) for i in range(24)]
        times = []
        for frame in frames:
            began = time.perf_counter()
            engine.step(frame)
            times.append((time.perf_counter() - began) * 1e3)
        row: Row = {'model': name, 'faces': faces, 'part': 'engine', 'backend': engine.backend, 'start_s': start_s}
        row |= {'ms_mean': round(float(np.mean(times[4:])), 3), 'ms_max': round(max(times[4:]), 3)}
        if device == 'cuda':
            row['memory_mb'] = round(torch.cuda.max_memory_allocated() / 1e6)
        yield row | {'window': str(engine.window)}


def frame_of(faces: int, number: int, side: int) -> Any:
    """Frame with so many faces of noise."""
    from affect_perception.types import Box, Track, TrackedFrame

    noise = np.random.default_rng(number).integers(0, 256, (8, side, side, 3), np.uint8)
    tracks = tuple(Track(i, Box(0, 0, 9, 9), 1.0, 0.0, noise[(i + number) % 8]) for i in range(faces))
    return TrackedFrame(number * FRAME_NS, '', 1280, 720, tracks)


def parity(args: argparse.Namespace) -> Iterator[Row]:
    """Largest difference of the outputs of engines on the CPU and on the device, for tracks that come and go."""
    for name in MODELS:
        given = saved(network(name, SMALL[name], 'cpu'), name, args.work)
        expected = outputs_of(given, 'cpu', 'torch')
        for backend in ('torch', 'torch_bf16_graph') if args.device == 'cuda' else BACKENDS['cpu']:
            for tf32 in (False, True) if args.device == 'cuda' and backend == 'torch' else (False,):
                torch.backends.cudnn.allow_tf32 = tf32
                try:
                    found = outputs_of(given, args.device, backend)
                except Exception as error:  # noqa: BLE001 - the other backends go on
                    yield {'model': name, 'backend': backend, 'error': str(error)[:300]}
                    continue
                same = bool((np.isnan(found) == np.isnan(expected)).all())
                difference = float(np.nanmax(np.abs(found - expected)))
                yield {'model': name, 'backend': backend, 'tf32': tf32, 'max_difference': difference, 'same_nan': same}


def outputs_of(given: str, device: str, backend: str) -> np.ndarray:
    """All outputs of an engine for 40 frames of four tracks, two of which come and go, as one array."""
    from affect_perception.inference.engine import AffectEngine
    from affect_perception.settings import AffectSettings
    from affect_perception.types import Box, Track, TrackedFrame

    engine = AffectEngine(AffectSettings(model=given, device=device, backend=backend, stride_s=0.0))
    rows = []
    for number in range(40):
        here = [t for t, (first, last) in enumerate([(0, 40), (5, 40), (8, 20), (15, 40)]) if first <= number < last]
        crops = np.random.default_rng(number).integers(0, 256, (4, 96, 96, 3), np.uint8)
        tracks = tuple(Track(t, Box(0, 0, 9, 9), 1.0, 0.0, crops[t]) for t in here)
        for face in engine.step(TrackedFrame(number * FRAME_NS, '', 640, 480, tracks)).faces:
            rows.append(
                (
                    *face.smile_probabilities, face.smile_intensity, face.valence, face.arousal,
                    *face.expression_probabilities, *face.reaction_intensities,
                )
            )  # fmt: skip
    return np.array(rows)
