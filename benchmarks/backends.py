"""Compare the CPU backends of the CNN, alternating: `python benchmarks/backends.py smile_va [ROUNDS]`.

Every round calls every backend three times, the first of which warms up, so that noise of the machine meets all of them
alike. Prints one JSON line per number of threads and faces: minimum, lower quartile and median in ms.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch

from affect_perception.bench.inference import network
from affect_perception.inference.backends.backend import CPU_BACKENDS, Backend, is_available
from affect_perception.inference.backends.selection import make_backend, torch_threads

FACES = (1, 4, 8, 16)
CALLS = 3
SPIN_S = 0.005  # threads of the backend before stop spinning


def times_ms(backends: dict[str, Backend], x: torch.Tensor, threads: int, rounds: int) -> dict[str, list[float]]:
    """Times of each backend on network input `x`."""
    times: dict[str, list[float]] = {name: [] for name in backends}
    for _ in range(rounds):
        for name, backend in backends.items():
            torch.set_num_threads(torch_threads(name, threads))
            time.sleep(SPIN_S)
            for call in range(CALLS):
                began = time.perf_counter()
                backend(x)
                if call:
                    times[name].append((time.perf_counter() - began) * 1e3)
    return times


@torch.inference_mode()
def main(name: str, rounds: int = 100) -> None:
    """Measure the network `name` with 1 and 2 threads."""
    model, weights_hash = network(name)
    model = model.to(memory_format=torch.channels_last)
    rng = np.random.default_rng(0)
    inputs = [model.preprocess(torch.from_numpy(rng.integers(0, 256, (n, 96, 96, 3), np.uint8))) for n in FACES]
    names = [name for name in CPU_BACKENDS if is_available(name)]
    for threads in (1, 2):
        backends = {name: make_backend(name, model, inputs[1], weights_hash, threads) for name in names}
        for x in inputs:
            times = times_ms(backends, x, threads, rounds)
            row: dict[str, object] = {'model': name, 'threads': threads, 'faces': len(x)}
            for what, percent in (('min', 0), ('quartile', 25), ('median', 50)):
                row[f'ms_{what}'] = {n: round(float(np.percentile(t, percent)), 2) for n, t in times.items()}
            print(json.dumps(row), flush=True)  # a command


if __name__ == '__main__':
    main(sys.argv[1], *(int(rounds) for rounds in sys.argv[2:]))
