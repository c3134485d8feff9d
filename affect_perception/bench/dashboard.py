"""`affect-perception bench dashboard`: delay of the page behind a result, and the cost of viewers for the graph.

The delay is from a FaceAffectArray on its topic to the painted frame in a real Chromium: with people from a publisher
at 30 1/s (`publisher`), and with the whole graph (`graph`). The cost is the latency from image to result with a viewer
against that without, in alternating turns of a few seconds of one run: machines drift by more than the difference.
Every percentile is the median over the turns: a host that takes a core away for a moment (`stolen_percent`) spoils the
slowest images of one turn only. Viewers:

`watched`  a WebSocket client that reads what a page with its camera image reads, and a subscriber of markers and
           overlay, both at idle priority: the cost for the graph itself of viewers elsewhere
`here`     the same two at ordinary priority, as viewers on the robot's own computer
`page`, `pictures`, `markers`, `overlay`, `jpeg`   the parts of that: the client without camera image, with it, and a
           subscriber of one topic
`clients`  fifty WebSocket clients
`browser`  as `watched`, with Chromium as the page, which paints in software on the cores of the graph; a viewer on
           another computer, or a graphics card, would not
`bare`     no viewer, in a run of its own, without agent, markers and dashboard
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node

from affect_perception.bench.machine import machine, save_result, stolen_s
from affect_perception.bench.prerendered import PrerenderedScene, prerender_scene
from affect_perception.bench.viewers import CHROMIUM, Viewer
from affect_perception.errors import ConfigError
from affect_perception.graph.run import RunningGraph, percentiles, with_dashboard
from affect_perception.msg import FaceAffectArray
from affect_perception.nodes.dashboard_node import DashboardNode
from affect_perception.ros import qos
from affect_perception.ros.conversions import affect_to_msg
from affect_perception.ros.executors import Spinner, stop_on_signals
from affect_perception.settings import SourceSettings
from affect_perception.types import Affect, AffectFrame, Box

_CLIENTS = 50
_RATE = 30.0
_TURN_S = 5.0
_SETTLE_S = 1.5  # at the start of a turn, not counted: pages open, subscriptions are made
_NOBODY = 'nobody'
_LATENCY = 'affect_node', 'latency'
_STAGES = {'track': ('face_tracker_node', 'track'), 'infer': ('affect_node', 'infer')}
_PARTS_OFF = {'agent': False, 'markers': False, 'dashboard': False}
_VIEWERS = {
    'page': (('clients',),),
    'pictures': (('clients', '--pictures'),),
    'markers': (('rviz', '--topics', 'markers'),),
    'overlay': (('rviz', '--topics', 'overlay'),),
    'jpeg': (('rviz', '--topics', 'jpeg'),),
    'watched': (('clients', '--pictures'), ('rviz',)),
    'here': (('clients', '--pictures', '--here'), ('rviz', '--here')),
    'clients': (('clients', '--count', str(_CLIENTS)),),
    'browser': (('browser', '--here'), ('rviz', '--here')),
}


def bench(args: argparse.Namespace, settings: dict[str, dict[str, Any]]) -> dict:
    """Measure `args.runs`, `args.duration` s each, with `args.people` in view; prints a table, returns the JSON."""
    if {'delay', 'browser'} & set(args.runs) and not CHROMIUM.exists():
        raise ConfigError(f'no Chromium at {CHROMIUM}: name it in CHROMIUM, or give --runs without delay and browser')
    camera = SourceSettings.from_mapping(settings['camera_node'])
    kinds = [kind for kind in _VIEWERS if kind in args.runs]
    turns = max(round(args.duration / _TURN_S), 1)
    watched_s = (2 * turns * len(kinds) + 1) * _TURN_S
    result: dict = {'delay_ms': {}, 'runs': {}}
    with tempfile.TemporaryDirectory() as folder, stop_on_signals() as stop:
        if 'delay' in args.runs:
            result['delay_ms']['publisher'] = _measure_delay(args.people, args.duration, stop)
        source = prerender_scene(camera, args.people, watched_s + 30, folder) if set(args.runs) != {'delay'} else None
        if kinds:
            result['runs'], delay = _measure_viewers(settings, source, kinds, turns, stop)
            result['delay_ms'] |= {'graph': delay} if delay else {}
        if 'bare' in args.runs:
            bare = {**settings, 'graph': {**settings.get('graph', {}), **_PARTS_OFF}}
            result['runs'] |= {'bare': _measure_viewers(bare, source, [], turns, stop)[0][_NOBODY]}
    result['worse'] = _relative_cost(result['runs'])
    result |= {'people': args.people, 'size': [camera.width, camera.height], 'machine': machine()}
    _print_table(result)
    save_result(result, args.out)
    return result


def _measure_delay(people: int, duration_s: float, stop: threading.Event) -> dict:
    """Delay of the page alone: people from a publisher, painted by Chromium."""
    rclpy.init(args=[])
    dashboard, publisher = DashboardNode({'dashboard_port': 0}), Node('bench_people')
    spinner = Spinner([dashboard, publisher])
    sent: dict[int, float] = {}
    try:
        affect = publisher.create_publisher(FaceAffectArray, 'face_affect', qos.RESULTS)
        with Viewer('browser', '--here', '--address', dashboard.address) as browser:
            browser.command('look')
            for _ in range(round((_SETTLE_S + duration_s) * _RATE)):
                if stop.wait(1 / _RATE):
                    break
                stamp_ns = time.time_ns()
                sent[_key(stamp_ns / 1e6)] = stamp_ns / 1e6
                affect.publish(affect_to_msg(AffectFrame(stamp_ns, 'optical', 'bench', _people(people, stamp_ns))))
    finally:
        dashboard.close()
        spinner.close()
        for node in (dashboard, publisher):
            node.destroy_node()
        rclpy.try_shutdown()
    return _painted(browser.result, sent)


def _people(count: int, stamp_ns: int) -> tuple[Affect, ...]:
    """Faces in a row that move and smile periodically."""
    t = stamp_ns * 1e-9
    faces = []
    for i in range(count):
        smile = float(0.5 + 0.5 * np.sin(t + 1.9 * i))
        box = Box.around((640 * (i + 0.5) / count + 9 * float(np.sin(t + i)), 220.0), 90.0, 108.0)
        level = sum(smile > bound for bound in (1 / 8, 3 / 8, 3 / 4))
        neutral, low, medium, high = (0.91 if i == level else 0.03 for i in range(4))
        faces.append(
            Affect(
                i + 1,
                box,
                0.9,
                (neutral, low, medium, high),
                smile,
                valence=smile - 0.4,
                arousal=0.2,
                evidence_frames=9,
            )
        )
    return tuple(faces)


def _measure_viewers(
    settings: dict[str, dict[str, Any]],
    source: PrerenderedScene | None,
    kinds: list[str],
    turns: int,
    stop: threading.Event,
) -> tuple[dict, dict]:
    """Figures of a run per kind of viewers and without any, and the delay to pixels if there is a browser."""
    settings = with_dashboard(settings)
    settings['dashboard_node'] = {**settings['dashboard_node'], 'dashboard_port': 0}
    sent: dict[int, float] = {}  # arrival of each result, ms

    def note_arrival(affect: AffectFrame) -> None:
        sent.setdefault(_key(affect.stamp_ns / 1e6), _now_ms())

    run = RunningGraph('scene', settings, source, on_affect=note_arrival)
    turns_of: dict[str, list[_Turn]] = {_NOBODY: [], **{kind: [] for kind in kinds}}
    viewers: dict[str, list[Viewer]] = {}
    with ExitStack() as stack:
        running = stack.enter_context(run)
        for kind in kinds:
            address = '--address', running.graph.dashboard_address or ''
            viewers[kind] = [stack.enter_context(Viewer(*command, *address)) for command in _VIEWERS[kind]]
        stop.wait(_TURN_S)  # the first seconds of a graph are its slowest
        for who in [who for kind in kinds for who in (_NOBODY, kind)] * turns or [_NOBODY] * turns:
            for viewer in viewers.get(who, ()):
                viewer.command('look')
            stop.wait(_SETTLE_S)
            turn = _Turn(running)
            stop.wait(_TURN_S - _SETTLE_S)
            turns_of[who].append(turn.end())
            for viewer in viewers.get(who, ()):
                viewer.command('leave')
        running.drain()
    figures = {who: _figures(turns) for who, turns in turns_of.items()}
    for kind in kinds:
        seen = [{k: v for k, v in viewer.result.items() if k != 'painted'} for viewer in viewers[kind]]
        figures[kind]['viewers'] = seen
    painted = viewers['browser'][0].result if 'browser' in kinds else {}
    return figures, _painted(painted, sent) if painted else {}


class _Turn:
    """Timings (ms, by node and stage) and CPU time of the graph from construction to `end`."""

    def __init__(self, running: RunningGraph) -> None:
        self._nodes = {node.get_name(): node.diagnostics for node in running.graph.nodes}
        self._before = {key: len(values) for key, values in self._timings().items()}
        self._viewers = running.graph.viewers
        self._start_s, self._cpu_s, self._viewers_cpu_s = time.monotonic(), time.process_time(), self._viewers_used_s()
        self._stolen_s = stolen_s()

    def end(self) -> _Turn:
        """Stop the measurement."""
        self.stolen_s = stolen_s() - self._stolen_s
        self.seconds, self.cpu_s = time.monotonic() - self._start_s, time.process_time() - self._cpu_s
        self.viewers_cpu_s = self._viewers_used_s() - self._viewers_cpu_s
        self.timings_ms = {key: values[self._before.get(key, 0) :] for key, values in self._timings().items()}
        return self

    def _viewers_used_s(self) -> float:
        """CPU time of the process of agent, markers and dashboard; 0 without it, or without /proc."""
        stat = Path(f'/proc/{self._viewers.pid}/stat') if self._viewers is not None else Path('/none')
        if not stat.is_file():
            return 0.0
        fields = stat.read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def _timings(self) -> dict[tuple[str, str], np.ndarray]:
        every = {name: diagnostics.timings_ms() for name, diagnostics in self._nodes.items()}
        return {(name, stage): values for name, timings in every.items() for stage, values in timings.items()}


def _figures(turns: list[_Turn]) -> dict:
    """Latency from image stamp to published FaceAffectArray, as in `bench pipeline`; rate and CPU load."""

    def over_turns(key: tuple[str, str], of: tuple[int, ...] = (50, 95, 99)) -> dict[str, float | None]:
        each = [turn.timings_ms[key] for turn in turns if len(turn.timings_ms.get(key, ()))]
        return {
            p: round(float(np.median([percentiles(one, of)[p] for one in each])), 2)
            for p in percentiles(np.empty(0), of)
        }

    def share(of: str) -> float:
        return round(100 * sum(getattr(turn, of) for turn in turns) / seconds, 1)

    latencies_ms, seconds = [turn.timings_ms[_LATENCY] for turn in turns], sum(turn.seconds for turn in turns)
    return {
        'latency_ms': over_turns(_LATENCY),
        'p95_of_turns_ms': [percentiles(one)['p95'] for one in latencies_ms],
        'fps': round(sum(map(len, latencies_ms)) / seconds, 2),
        'cpu_percent': share('cpu_s'),
        'beside_cpu_percent': share('viewers_cpu_s'),
        'stolen_percent': share('stolen_s'),
        'stages': {stage: over_turns(key, (50, 95)) for stage, key in _STAGES.items()},
    }


def _key(stamp_ms: float) -> int:
    """A stamp in µs, as the page returns it: a double cannot hold epoch nanoseconds."""
    return round(stamp_ms * 1e3)


def _now_ms() -> float:
    return time.time_ns() / 1e6


def _painted(result: dict, sent: dict[int, float]) -> dict:
    """Percentiles in ms from `sent` to the painted frame of a result; most results are replaced by newer ones."""
    delays = np.array([at - sent[_key(stamp)] for stamp, at in result.get('painted', ()) if _key(stamp) in sent])
    if not len(delays):
        raise ConfigError('the page painted nothing; open it in the Chromium of the benchmark to see the reason')
    return {**percentiles(delays), 'painted': len(delays)}


def _relative_cost(runs: dict) -> dict:
    """Latencies and CPU time relative to those without viewers."""
    if _NOBODY not in runs:
        return {}
    baseline = runs[_NOBODY]
    return {
        name: {p: round(run['latency_ms'][p] / baseline['latency_ms'][p], 3) for p in ('p50', 'p95')}
        | {'cpu': round(_cpu(run) / _cpu(baseline), 3)}
        for name, run in runs.items()
        if name != _NOBODY
    }


def _cpu(run: dict) -> float:
    return run['cpu_percent'] + run['beside_cpu_percent']


def _print_table(result: dict) -> None:
    def numbers(values: dict) -> str:
        return ''.join(f'{values[p]:>8.1f}' for p in ('p50', 'p95', 'p99'))

    print(f'{"result to pixels":<20}{"p50":>8}{"p95":>8}{"p99":>8}   ms')
    for name, delay in result['delay_ms'].items():
        print(f'{name:<20}{numbers(delay)}')
    print(f'{"image to result":<20}{"p50":>8}{"p95":>8}{"p99":>8}   ms   CPU %  images/s   worse by')
    for name, run in result['runs'].items():
        worse = result['worse'].get(name)
        text = f'p50 {100 * (worse["p50"] - 1):+.1f} %, p95 {100 * (worse["p95"] - 1):+.1f} %' if worse else ''
        print(f'{name:<20}{numbers(run["latency_ms"])}{_cpu(run):>12.0f}{run["fps"]:>10.1f}   {text}')
