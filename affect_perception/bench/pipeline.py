"""`affect-perception bench pipeline`: how long an image takes through the whole graph, stage by stage.

The scene is rendered beforehand into a file that is mapped into memory, and played forth and back, so that drawing it
is not measured and no motion jumps. Ground truth of the scene tells how many people and ids there should be.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from affect_perception.bench.machine import cpu_s, machine, resident_mb, stolen_s
from affect_perception.graph.run import RunningGraph, percentiles
from affect_perception.ros.executors import stop_on_signals
from affect_perception.settings import SourceSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import steady_script
from affect_perception.types import Frame

_RENDERED_S = 10.0
_STRETCH_S = 5.0


class Rehearsed:
    """A stretch of a scene from a file in memory, played forth and back until `duration_s` is over. A `Source`."""

    name, live, dropped = 'rehearsed scene', False, 0

    def __init__(self, scene: Scene, duration_s: float, folder: str):
        self.size, self.fps = scene.size, scene.fps
        self._frames = round(duration_s * scene.fps)
        count = min(round(_RENDERED_S * scene.fps), self._frames)
        width, height = scene.size
        path = Path(folder) / 'frames.raw'
        self._pictures = np.memmap(path, np.uint8, 'w+', shape=(count, height, width, 3))
        for index in range(count):
            self._pictures[index] = scene.frame(index).rgb
        self._frame_id = scene.frame_id

    def __iter__(self) -> Iterator[Frame]:
        count = len(self._pictures)
        for index in range(self._frames):
            turn, place = divmod(index, count)
            place = count - 1 - place if turn % 2 else place
            yield Frame(round(index * 1e9 / self.fps), self._frame_id, np.asarray(self._pictures[place]))

    def close(self) -> None:
        pass


def bench(args, settings: dict[str, dict]) -> dict:
    """Runs the graph for `args.duration` seconds with `args.people` in view; prints a table, returns the JSON."""
    camera = SourceSettings.from_mapping(settings['camera_node'])
    with tempfile.TemporaryDirectory() as folder:
        source = rehearsed(camera, args.people, args.duration, folder)
        with stop_on_signals() as stop, RunningGraph('scene', settings, source) as running:
            used_s, lost_s, start = cpu_s(), stolen_s(), time.monotonic()
            while not running.finished and not stop.is_set():
                stop.wait(0.2)
            cpu_percent = 100 * (cpu_s() - used_s) / (time.monotonic() - start)
            stolen_percent = 100 * (stolen_s() - lost_s) / (time.monotonic() - start)
            running.drain()
            result = running.summary()
            stages = {
                f'{node}_{stage}' if stage == 'publish' else stage: percentiles(values)
                for node, diagnostics in (
                    ('camera', running.graph.camera.diagnostics),
                    ('tracks', running.graph.tracker.diagnostics),
                    ('affect', running.graph.affect.diagnostics),
                )
                for stage, values in diagnostics.timings_ms().items()
                if stage != 'latency'
            }
            stages['tracks_out'] = percentiles(running.graph.tracker.diagnostics.timings_ms()['latency'])
            latencies_ms = running.graph.affect.diagnostics.timings_ms()['latency']
            often = running.graph.tracker.frames_per_detection
    result.update(
        dropped_in_a_row=max(round(running.monitor.longest_gap_s * camera.fps) - 1, 0),
        frames_per_detection=round(often, 1),
        stages=stages,
        latency_of_stretches_ms=of_stretches(latencies_ms, round(_STRETCH_S * camera.fps)),
        cpu_percent=round(cpu_percent, 1),
        stolen_percent=round(stolen_percent, 1),
        rss_mb=round(resident_mb(), 1),
        people=args.people,
        size=[camera.width, camera.height],
        fps_asked=camera.fps,
        machine=machine(),
    )
    _print_table(result)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=2) + '\n')
    return result


def rehearsed(camera: SourceSettings, people: int, duration_s: float, folder: str) -> Rehearsed:
    """A scene of `people` as the settings of the camera say, rendered into `folder`."""
    scene = Scene(
        width=camera.width,
        height=camera.height,
        fps=camera.fps,
        people=people,
        seed=camera.scene_seed,
        portraits=camera.scene_portraits,
        script=steady_script(people, camera.width / camera.height, camera.scene_seed),
    )
    print(f'rendering {_RENDERED_S:.0f} s of the scene ...', file=sys.stderr)
    return Rehearsed(scene, duration_s, folder)


def of_stretches(latencies_ms: np.ndarray, count: int) -> dict[str, float | None]:
    """Percentiles of each `count` results in a row, and of those the median: what a machine gives whose host does not
    take a core away just then. (One moment of that is in the slowest images of the whole run.)"""
    each = [percentiles(latencies_ms[i : i + count]) for i in range(0, max(len(latencies_ms) - count, 0) + 1, count)]
    return {p: round(float(np.median([one[p] for one in each])), 2) for p in each[0]} if len(latencies_ms) else each[0]


def _print_table(result: dict) -> None:
    print(f'{"stage":<16}{"p50":>9}{"p95":>9}{"p99":>9}   ms')
    whole = ('image to affect', result['latency_ms']), ('median of 5 s', result['latency_of_stretches_ms'])
    for stage, values in (*result['stages'].items(), *whole):
        print(f'{stage:<16}' + ''.join(f'{values[p]:>9.1f}' for p in ('p50', 'p95', 'p99')))
    share = 100 * result['frames_dropped'] / max(result['frames_in'], 1)
    print(
        f'{result["frames_in"]} frames in, {share:.2f} % dropped, at most {result["dropped_in_a_row"]} in a row, '
        f'{result["people_max"]} people at most, {result["track_ids"]} ids, '
        f'detection every {result["frames_per_detection"]} frames, '
        f'CPU {result["cpu_percent"]:.0f} % (the host took {result["stolen_percent"]:.0f} %), {result["rss_mb"]:.0f} MB'
    )
