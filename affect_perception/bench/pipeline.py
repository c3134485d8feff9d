"""`affect-perception bench pipeline`: latency of an image through the whole graph, stage by stage, on a known scene.

The scene is rendered beforehand (`prerendered.py`); its number of people is the expected number of track ids.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from typing import Any

import numpy as np

from affect_perception.bench.machine import cpu_s, machine, resident_mb, save_result, stolen_s
from affect_perception.bench.prerendered import prerender_scene
from affect_perception.graph.run import RunningGraph, percentiles
from affect_perception.ros.executors import stop_on_signals
from affect_perception.settings import SourceSettings

_WINDOW_S = 5.0


def bench(args: argparse.Namespace, settings: dict[str, dict[str, Any]]) -> dict:
    """Run the graph for `args.duration` seconds with `args.people` in view; prints a table, returns the JSON."""
    camera = SourceSettings.from_mapping(settings['camera_node'])
    with tempfile.TemporaryDirectory() as folder:
        source = prerender_scene(camera, args.people, args.duration, folder)
        with stop_on_signals() as stop, RunningGraph('scene', settings, source) as running:
            used_s, lost_s, start = cpu_s(), stolen_s(), time.monotonic()
            at_start = _wait_for_result(running, stop)
            looks = [_at_share(running)]
            while not running.finished and not stop.is_set():
                stop.wait(0.2)
                looks.append(_at_share(running))
            cpu_percent = 100 * (cpu_s() - used_s) / (time.monotonic() - start)
            stolen_percent = 100 * (stolen_s() - lost_s) / (time.monotonic() - start)
            rss_mb = resident_mb()  # before the children end
            running.drain()
            camera_node = running.graph.camera
            assert camera_node is not None  # the graph was given a source
            result = running.summary()
            stages = {
                f'{node}_{stage}' if stage == 'publish' else stage: percentiles(values)
                for node, diagnostics in (
                    ('camera', camera_node.diagnostics),
                    ('tracks', running.graph.tracker.diagnostics),
                    ('affect', running.graph.affect.diagnostics),
                )
                for stage, values in diagnostics.timings_ms().items()
                if stage != 'latency'
            }
            stages['tracks_out'] = percentiles(running.graph.tracker.diagnostics.timings_ms()['latency'])
            latencies_ms = running.graph.affect.diagnostics.timings_ms()['latency']
            audio = running.graph.audio
            audio_percent = None if audio is None else round(100 * audio.cpu_s / running.elapsed_s, 2)
            frames_per_detection = running.graph.tracker.frames_per_detection
    if audio_percent is not None:
        result['audio_cpu_percent'] = audio_percent  # of one core: resampling, features, speech activity, publishing
    result.update(
        at_start=at_start,
        detector_share_percent=round(100 * float(np.mean(looks)), 1),
        dropped_in_a_row=max(round(running.monitor.longest_gap_s * camera.fps) - 1, 0),
        frames_per_detection=round(frames_per_detection, 1),
        stages=stages,
        latency_of_stretches_ms=median_of_windows(latencies_ms, round(_WINDOW_S * camera.fps)),
        cpu_percent=round(cpu_percent, 1),
        stolen_percent=round(stolen_percent, 1),
        rss_mb=round(rss_mb, 1),
        people=args.people,
        size=[camera.width, camera.height],
        fps_asked=camera.fps,
        machine=machine(),
    )
    _print_table(result)
    save_result(result, args.out)
    return result


def _wait_for_result(running: RunningGraph, stop: threading.Event) -> dict[str, float]:
    """Wait for the first result; time since the camera's start in s, and frames dropped meanwhile.

    The tracker waits for the first detection, as an image that has not been looked at is not told as empty.
    """
    while not (running.monitor.messages or running.finished or stop.is_set()):
        stop.wait(0.01)
    graph = running.graph
    dropped = graph.tracker.slot.dropped + graph.affect.slot.dropped
    return {'seconds': round(time.monotonic() - running.started, 2), 'frames_dropped': dropped}


def _at_share(running: RunningGraph) -> bool:
    """Whether the detector takes a share of the cores at present, since it was starved at idle priority."""
    detector = running.graph.tracker.detector
    return detector is not None and detector.priority == 'share'


def median_of_windows(latencies_ms: np.ndarray, count: int) -> dict[str, float | None]:
    """Median over windows of `count` results of each percentile of a window; None without results.

    Robust against a host that takes a core away for a moment, which dominates the slowest images of the whole run.
    """
    each = [percentiles(latencies_ms[i : i + count]) for i in range(0, max(len(latencies_ms) - count, 0) + 1, count)]
    if not len(latencies_ms):
        return each[0]
    return {p: round(float(np.median([one[p] for one in each])), 2) for p in each[0]}


def _print_table(result: dict) -> None:
    print(f'{"stage":<16}{"p50":>9}{"p95":>9}{"p99":>9}   ms')
    total = ('image to affect', result['latency_ms']), ('median of 5 s', result['latency_of_stretches_ms'])
    for stage, values in (*result['stages'].items(), *total):
        print(f'{stage:<16}' + ''.join(f'{values[p]:>9.1f}' for p in ('p50', 'p95', 'p99')))
    at_start = result['at_start']
    share = 100 * (result['frames_dropped'] - at_start['frames_dropped']) / max(result['frames_in'], 1)
    print(
        f'{result["frames_in"]} frames in, {at_start["frames_dropped"]} dropped before the first result '
        f'({at_start["seconds"]:.1f} s), {share:.2f} % later, at most {result["dropped_in_a_row"]} in a row, '
        f'{result["people_max"]} people at most, {result["track_ids"]} ids, '
        f'detection every {result["frames_per_detection"]} frames '
        f'({result["detector_share_percent"]:.0f} % of the time with a share of full cores), '
        f'CPU {result["cpu_percent"]:.0f} % (stolen by the host: {result["stolen_percent"]:.0f} %), '
        f'{result["rss_mb"]:.0f} MB'
        + (f', sound {result["audio_cpu_percent"]:.1f} % of a core' if 'audio_cpu_percent' in result else '')
    )
