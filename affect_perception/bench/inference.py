"""`affect-perception bench inference`: time per step with 1 to 64 faces, after Fig. 6 of Witzig et al. 2019.

Three ways to process the faces of a new frame, all with temporal networks and a window of 20 frames per face:
  sequential  each face by itself, its whole window through CNN and recurrent layers (the paper's first way)
  batched     the windows of all faces in one batch (the paper's second way)
  streaming   the new frame of every face through the CNN, with a recurrent state per face (ours)
Crops are noise of 96 px; weights are random where none are installed: neither changes the time. Preprocessing is part
of every step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affect_perception.bench.machine import machine, resident_mb
from affect_perception.errors import AffectPerceptionError, ConfigError
from affect_perception.inference.backends import selection
from affect_perception.inference.backends.backend import NAMES, Backend, is_available
from affect_perception.inference.crop_encoder import MAX_BATCH
from affect_perception.inference.engine import AffectEngine
from affect_perception.models import MODELS, checkpoint
from affect_perception.runtime.devices import chosen_device, default_threads
from affect_perception.runtime.kept_files import sha256
from affect_perception.settings import AffectSettings
from affect_perception.types import Box, Track, TrackedFrame

WINDOW = 20  # frames, the paper's
FACES = (1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64)
MODES = ('sequential', 'batched', 'streaming')
GAP_S = 1 / 30


class Steps:
    """The three modes of one network on one backend; each call of one is one step with N faces."""

    def __init__(self, model: Any, backend: Backend, device: torch.device) -> None:
        self._model, self._backend, self._device = model, backend, device

    def sequential(self, crops: Tensor) -> Callable[[], None]:
        """Step over (N, 20, S, S, 3) crops, face by face."""

        def step() -> None:
            for face in crops:
                self._window(face[None])

        return step

    def batched(self, crops: Tensor) -> Callable[[], None]:
        """Step over (N, 20, S, S, 3) crops in one batch."""
        return lambda: self._window(crops)

    def streaming(self, crops: Tensor) -> Callable[[], None]:
        """Step over the newest of (N, 20, S, S, 3) crops, with state."""
        state = self._model.initial_state(len(crops))
        gaps = torch.full((len(crops),), GAP_S, device=self._device)

        def step() -> None:
            nonlocal state
            embeddings = self._embedded(crops[:, -1])
            _, state = self._model.advance(embeddings, gaps, state)

        return step

    def _window(self, crops: Tensor) -> None:
        embeddings = self._embedded(crops.flatten(0, 1)).reshape(*crops.shape[:2], -1)
        self._model.last_of(embeddings, embeddings.new_full(crops.shape[:2], GAP_S))

    def _embedded(self, crops: Tensor) -> Tensor:
        most = MAX_BATCH[self._device.type]  # as the engine: larger batches leave the caches and are slower
        parts = [self._backend(self._model.preprocess(part)) for part in crops.split(most)]
        return torch.cat(parts)


def median_step_ms(step: Callable[[], None], device: torch.device, seconds: float) -> float:
    """Median time of a step in ms, over as many as fit into `seconds`, at least one.

    A first step warms up, unless it takes longer than `seconds`: then its time is returned.
    """

    def once() -> float:
        began = time.perf_counter()
        step()
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    first = once()
    if first > seconds:
        return first * 1e3
    times, end = [once()], time.perf_counter() + seconds
    while time.perf_counter() < end:
        times.append(once())
    return statistics.median(times) * 1e3


def network(name: str) -> tuple[Any, str]:
    """Load a temporal network with installed weights, else random ones; returns it and a name of its weights."""
    if name not in MODELS or not hasattr(MODELS[name], 'over_time'):
        known = ', '.join(name for name, model in MODELS.items() if hasattr(model, 'over_time'))
        raise ConfigError(f'no temporal network {name!r}; choose one of {known}')
    file = checkpoint.WEIGHTS / f'{name}{checkpoint.SUFFIX}'
    if file.is_file():
        return checkpoint.load(name).model.fold(), sha256(file)
    torch.manual_seed(0)
    return MODELS[name]().fold(), f'{name} random'


@torch.inference_mode()
def rows(args: argparse.Namespace, device: torch.device) -> Iterator[dict]:
    """Yield one result per network, backend, mode and number of faces."""
    rng = np.random.default_rng(0)
    for name in args.models:
        model, identity = network(name)
        model = model.to(device, memory_format=torch.channels_last)
        example = model.preprocess(torch.zeros(4, 96, 96, 3, dtype=torch.uint8, device=device))
        for backend_name in args.backends or [n for n in NAMES if is_available(n, device.type)]:
            backend = selection.make_backend(backend_name, model, example, identity, args.threads)
            if device.type == 'cpu':  # as the engine
                torch.set_num_threads(selection.torch_threads(backend_name, args.threads))
            steps = Steps(model, backend, device)
            for mode in args.modes:
                for faces in args.faces:
                    crops = torch.from_numpy(rng.integers(0, 256, (faces, WINDOW, 96, 96, 3), np.uint8)).to(device)
                    ms = median_step_ms(getattr(steps, mode)(crops), device, args.seconds)
                    row = {'model': name, 'faces': faces, 'mode': mode, 'backend': backend_name}
                    yield row | {'ms': round(ms, 3), 'steps_per_s': round(1e3 / ms, 3)}


def ratio(results: list[dict], model: str) -> float | None:
    """Steps per second of streaming over batched with 8 faces, best backend each; None where one is missing."""
    best: dict[str, float] = {}
    for row in results:
        if row['model'] == model and row['faces'] == 8:
            best[row['mode']] = max(best.get(row['mode'], 0.0), row['steps_per_s'])
    if {'streaming', 'batched'} <= best.keys():
        return round(best['streaming'] / best['batched'], 1)
    return None


def soak(name: str, frames: int, people: int, threads: int) -> dict:
    """Growth of memory over `frames` while `people` come and go, two or three at a time; all crops are noise."""
    engine = AffectEngine(AffectSettings(model=name, device='cpu', threads=threads))
    crops = np.random.default_rng(0).integers(0, 256, (16, 96, 96, 3), np.uint8)
    stay = max(frames * 3 // people, 1)
    after: dict[int, float] = {}
    began = time.perf_counter()
    for number in range(frames):
        here = range(max(number - stay, 0) * people // frames, number * people // frames + 1)
        tracks = tuple(Track(i, Box(0, 0, 9, 9), 1.0, 0.0, crops[(i + number) % 16]) for i in here)
        engine.step(TrackedFrame(number * 33_333_333, '', 640, 480, tracks))
        if number in (frames // 10, frames - 1):
            after[number] = resident_mb()
    early, late = after.values()
    return {
        'model': engine.model_name,
        'backend': engine.backend,
        'frames': frames,
        'people': people,
        'seconds': round(time.perf_counter() - began, 1),
        'rss_mb': round(late, 1),
        'grown_mb': round(late - early, 1),
    }


def plot(results: list[dict], file: Path) -> None:
    """Draw steps per second over faces on log axes, a line per network, backend and mode, to an SVG file."""
    import matplotlib

    matplotlib.use('svg')
    from matplotlib import pyplot

    styles = {'sequential': ':', 'batched': '--', 'streaming': '-'}
    networks = list(dict.fromkeys(row['model'] for row in results))
    figure, axes = pyplot.subplots(1, len(networks), figsize=(6 * len(networks), 4.2), squeeze=False)
    for axis, name in zip(axes[0], networks, strict=True):
        mine = [row for row in results if row['model'] == name]
        for colour, backend in enumerate(dict.fromkeys(row['backend'] for row in mine)):
            for mode in dict.fromkeys(row['mode'] for row in mine):
                line = [row for row in mine if row['backend'] == backend and row['mode'] == mode]
                if not line:
                    continue
                x, y = [row['faces'] for row in line], [row['steps_per_s'] for row in line]
                axis.plot(x, y, styles[mode], marker='.', color=f'C{colour}', label=f'{mode}, {backend}')
        axis.set(xscale='log', yscale='log', xlabel='faces', ylabel='steps per second', title=name)
        axis.set_xticks(list(dict.fromkeys(row['faces'] for row in mine)), minor=False)
        axis.get_xaxis().set_major_formatter('{x:.0f}')
        axis.minorticks_off()
        axis.axhline(30, color='grey', linewidth=0.8)
        axis.annotate('30 per second', (axis.get_xlim()[0], 30), xytext=(4, 3), textcoords='offset points', fontsize=8)
        axis.legend(fontsize=7, loc='center left', bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    figure.savefig(file)
    pyplot.close(figure)


def parser() -> argparse.ArgumentParser:
    """Parser of the flags."""
    result = argparse.ArgumentParser(prog='affect-perception bench inference', description=__doc__.split('\n')[0])
    result.add_argument(
        '--models', nargs='+', default=['witzig2019', 'smile_va'], metavar='NAME', help='networks (witzig2019 smile_va)'
    )
    result.add_argument(
        '--faces',
        nargs='+',
        type=int,
        default=list(FACES),
        metavar='N',
        help=f'numbers of faces ({" ".join(map(str, FACES))})',
    )
    result.add_argument(
        '--modes', nargs='+', choices=MODES, default=list(MODES), help='ways of reading a sequence (all)'
    )
    result.add_argument('--backends', nargs='+', metavar='NAME', help=f'of {", ".join(NAMES)} (all)')
    result.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N (auto)')
    result.add_argument(
        '--threads', type=int, default=default_threads(), help='CPU threads (half of the cores, 1 to 4)'
    )
    result.add_argument('--seconds', type=float, default=1.0, help='time per combination, s (1)')
    result.add_argument('--soak', type=int, metavar='FRAMES', help='instead: does memory grow while 500 people pass?')
    result.add_argument('--plot', type=Path, metavar='FILE.svg', help='also draw the figure')
    return result


def main(argv: list[str]) -> int:
    """Run the benchmark; returns the exit status, 2 with one line on stderr for bad input."""
    try:
        args = parser().parse_args(argv)
        if min(args.faces) < 1 or args.threads < 1 or args.seconds < 0:
            raise ConfigError('--faces, --threads and --seconds must be positive')
        device = chosen_device(args.device)
        torch.set_num_threads(args.threads)
        if args.soak:
            result = soak(args.models[-1], max(args.soak, 20), 500, args.threads)
            print('memory grew by {grown_mb} MB to {rss_mb} MB after the first tenth of the frames'.format(**result))
            print(json.dumps(result | {'machine': machine()}))
            return 0
        results = []
        print(f'{"network":<12}{"backend":<15}{"mode":<12}{"faces":>6}{"ms":>12}{"steps/s":>10}')
        for row in rows(args, device):
            results.append(row)
            print(
                f'{row["model"]:<12}{row["backend"]:<15}{row["mode"]:<12}{row["faces"]:>6}{row["ms"]:>12.2f}'
                f'{row["steps_per_s"]:>10.2f}',
                flush=True,
            )
        if args.plot:
            plot(results, args.plot)
    except AffectPerceptionError as error:
        print(f'affect-perception: {error}', file=sys.stderr)
        return 2
    paper = ratio(results, 'witzig2019')
    ending = {'results': results, 'streaming_over_batched_8': paper, 'threads': args.threads, 'device': str(device)}
    print(json.dumps(ending | {'machine': machine()}))
    return 0
