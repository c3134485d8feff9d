"""`affect-perception bench soak`: growth of memory over many frames and people, and results while pages attack.

A scene with cuts: every `_CAST` images all people are other ones, so that 20,000 images show 500. In every second turn
slow and hostile pages are connected to the dashboard (`slow_pages.py`). Memory is that of this process, the viewers
and the detector, each by itself. With `--crowd`, all people are in view at once: their tracks come from `crowd.py`, and
are read, recorded and shown as those of a tracker.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from affect_perception.bench.crowd import Crowd, NoImages
from affect_perception.bench.machine import machine, save_result
from affect_perception.bench.prerendered import mirrored_index
from affect_perception.graph.run import RunningGraph, percentiles, with_dashboard
from affect_perception.nodes.recorder_node import Recording
from affect_perception.ros.executors import stop_on_signals
from affect_perception.settings import SourceSettings
from affect_perception.sources import Source
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import steady_script
from affect_perception.types import Frame

_CAST = 160  # images of one cast
_CASTS = 6  # different scenes, played in turn
_TURN_S = 15.0
_SETTLE_S = 2.0  # at the start of a turn, not counted
_WARM = 0.2  # share of the run after which memory is compared
_LEAST_S = 1.0  # between two samples of memory
MOST_MB = 10.0


class CastsOfPeople:
    """`Source` of `frames` images in which all `people` are replaced every `_CAST` images."""

    name, live, dropped = 'casts', False, 0

    def __init__(self, camera: SourceSettings, people: int, frames: int) -> None:
        self.size: tuple[int, int] | None = (camera.width, camera.height)
        self.fps, self._frames = camera.fps, frames
        script = steady_script(people, camera.width / camera.height, camera.scene_seed)
        self._images = []
        for cast in range(_CASTS):
            scene = Scene(camera.width, camera.height, camera.fps, people, seed=camera.scene_seed + cast, script=script)
            images = [scene.frame(index).rgb for index in range(_CAST // 4)]
            self._images.append([np.ascontiguousarray(rgb[..., ::-1]) if cast % 2 else rgb for rgb in images])

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._frames):
            cast, place = divmod(index, _CAST)
            images = self._images[cast % _CASTS]
            rgb = images[mirrored_index(place, len(images))]
            yield Frame(round(index * 1e9 / self.fps), 'camera_color_optical_frame', rgb)

    def close(self) -> None:
        """Release nothing: the images go with this object."""


def bench(args: argparse.Namespace, settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Run the graph over `args.frames` images; prints a table, returns the JSON."""
    given = with_dashboard(settings)
    given['face_tracker_node'] = {'reid': 'off', **given.get('face_tracker_node', {})}  # or few would be the same again
    crowd = Crowd(args.people, args.frames) if args.crowd else None
    if crowd is not None:
        source: Source = NoImages()
    else:
        camera = SourceSettings.from_mapping({'width': 640, 'height': 480, 'fps': 60.0, **settings['camera_node']})
        source = CastsOfPeople(camera, args.people, args.frames)
        given['camera_node'] = {**settings['camera_node'], 'fps': camera.fps}
    memory: dict[str, list[tuple[float, float]]] = defaultdict(list)  # (share of the run, MB) by process
    latencies: dict[bool, list[np.ndarray]] = {False: [], True: []}  # ms, of the turns without and with pages
    with contextlib.ExitStack() as parts:
        stop = parts.enter_context(stop_on_signals())
        record = None
        if crowd is not None:
            record = Recording(Path(parts.enter_context(tempfile.TemporaryDirectory())) / 'bag')
        on_affect = None if crowd is None else crowd.note
        running = parts.enter_context(RunningGraph('scene', given, source, on_affect, record))
        if crowd is not None:
            crowd.start()
            parts.callback(crowd.close)
        attacked = False
        while not _over(running, crowd) and not stop.is_set():
            with _pages(running, args.slow, args.hostile) if attacked else contextlib.nullcontext():
                latencies[attacked].append(_turn(running, crowd, stop, memory, args.frames))
            attacked = not attacked
        running.drain()
        result = running.summary()
    if crowd is not None:
        result |= {'frames_in': crowd.sent, 'frames_dropped': crowd.lost, 'latency_ms': percentiles(crowd.latencies)}
    done = max((share for samples in memory.values() for share, _ in samples), default=1.0)  # less if it was stopped
    growth = {name: grown_mb([(share / done, mb) for share, mb in samples]) for name, samples in memory.items()}
    result |= {
        'growth_mb': growth,
        'memory_mb': {
            name: [round(mb, 1) for _, mb in samples[:: max(len(samples) // 20, 1)]] for name, samples in memory.items()
        },
        'alone_ms': percentiles(np.concatenate(latencies[False] or [np.empty(0)])),
        'attacked_ms': percentiles(np.concatenate(latencies[True] or [np.empty(0)])),
        'slow': args.slow,
        'hostile': args.hostile,
        'people': args.people,
        'machine': machine(),
    }
    _print_table(result)
    save_result(result, args.out)
    return result


def _over(running: RunningGraph, crowd: Crowd | None) -> bool:
    return running.finished if crowd is None else crowd.finished


def _turn(
    running: RunningGraph, crowd: Crowd | None, stop: Any, memory: dict[str, list[tuple[float, float]]], frames: int
) -> np.ndarray:
    """Watch the graph for a turn; returns the latencies, in ms, of its results after the first `_SETTLE_S`."""
    stop.wait(_SETTLE_S)
    timings = running.graph.affect.diagnostics.timings_ms
    before, end_s = len(timings().get('latency', ())), time.monotonic() + _TURN_S
    while time.monotonic() < end_s and not _over(running, crowd) and not stop.is_set():
        stop.wait(_LEAST_S)
        share = (running.graph.tracker.slot.received if crowd is None else crowd.sent) / frames
        found = _memory_mb(running)
        for name, mb in found.items():
            memory[name].append((share, mb))
    if crowd is not None:  # which takes hours
        print(f'{share:5.1%}  ' + '  '.join(f'{name} {mb:.1f} MB' for name, mb in found.items()), flush=True)
    return timings().get('latency', np.empty(0))[before:]


@contextlib.contextmanager
def _pages(running: RunningGraph, slow: int, hostile: int) -> Iterator[None]:
    """Connect slow and hostile pages to the dashboard during the block."""
    port = urlsplit(str(running.graph.dashboard_address)).port
    command = [sys.executable, '-m', 'affect_perception.bench.slow_pages', '127.0.0.1', port, slow, hostile]
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _memory_mb(running: RunningGraph) -> dict[str, float]:
    """Anonymous memory in MB of each process of the graph."""
    detector, viewers = running.graph.tracker.detector, running.graph.viewers
    pids = {
        'graph': 'self',
        'viewers': str(viewers.pid) if viewers is not None else '',
        'detector': str(getattr(getattr(detector, '_analyzer', None), 'pid', '')),
    }
    found = {}
    for name, pid in pids.items():
        with contextlib.suppress(OSError, StopIteration):
            lines = (Path('/proc') / pid / 'status').read_text().splitlines() if pid else []
            found[name] = int(next(line for line in lines if line.startswith('RssAnon:')).split()[1]) / 1024
    return found


def grown_mb(samples: list[tuple[float, float]]) -> float | None:
    """Growth of (share of the run, MB) samples: median of the last fifth less that of the fifth after the warm-up."""
    first = [mb for share, mb in samples if _WARM <= share < 2 * _WARM]
    last = [mb for share, mb in samples if share >= 1 - _WARM]
    return round(float(np.median(last) - np.median(first)), 2) if first and last else None


def _print_table(result: dict[str, Any]) -> None:
    for name, grown in result['growth_mb'].items():
        print(f'{name:<10} grew by {"?" if grown is None else f"{grown:.1f}"} MB (at most {MOST_MB:.0f} are wanted)')
    print(f'{"":<34}{"p50":>9}{"p95":>9}{"p99":>9}   ms')
    pages = f'{result["slow"]} slow, {result["hostile"]} hostile pages'
    for label, values in (('no page', result['alone_ms']), (pages, result['attacked_ms'])):
        print(f'{label:<34}' + ''.join(f'{values[p] or 0:>9.1f}' for p in ('p50', 'p95', 'p99')))
    print(f'{result["frames_in"]} frames in, {result["frames_dropped"]} dropped, {result["track_ids"]} people')
