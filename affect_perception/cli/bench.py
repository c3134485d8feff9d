"""`affect-perception bench WHAT`: speed of this package on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from affect_perception.cli.flags import Commands, add_flags, check_seconds, require_ros, settings_by_node
from affect_perception.cli.run import start_early
from affect_perception.runtime.imports.collection import no_collection
from affect_perception.runtime.interrupts import exit_on_interrupt
from affect_perception.settings import GROUPS

_FIXED = ('source', 'rate', 'loop', 'scene_people', 'reliable_images')  # settings that a benchmark decides itself
_USAGE = '%(prog)s [FLAGS]'
_DEFAULTS = {
    'audio': 'no sound',
    'sound': 'on with --audio, else off',
    'scene_speech': 'on with --audio auto or scene, else off',
}
_PAGE = {'dashboard': 'on, where aiohttp is installed', 'dashboard_port_tries': '10; 1 with --dashboard-port'}
_SOAK = {'width': 640, 'height': 480, 'fps': 60.0, 'reid': 'off'}  # as `bench/soak.py` takes them
_NO_EFFECT = ('bag_topic',)
_STREAM = ('width', 'height', 'fps', 'scene_seed', 'scene_speech', 'scene_voice', 'scene_portraits')  # it has its own
_OWN_FLAGS = {  # benchmarks that parse their own flags: module of `bench/` and help
    'detector': ('detector', "dlib's CNN, our implementation of it, and HOG, side by side"),
    'ids': ('identities', 'identity preservation of the tracker on scripted scenes, scored per person'),
    'inference': ('inference', "cost of a step with 1 to 64 faces (the paper's Fig. 6)"),
    'offline': ('offline', 'evaluation speed of a bag relative to real time'),
}


class Preset(NamedTuple):
    """Load of `bench pipeline`: people in view, size in px, images per second."""

    people: int
    width: int
    height: int
    fps: float


PRESETS = {
    '8-people': Preset(8, 1280, 720, 30),
    '16-people': Preset(16, 1280, 720, 30),
    '32-people': Preset(32, 1280, 720, 15),
    '60fps': Preset(8, 1280, 720, 60),
    '1080p': Preset(8, 1920, 1080, 30),
}
_PEOPLE = 'number of people in view (default: 4)'
_DASHBOARD_RUNS = (
    'delay', 'page', 'pictures', 'markers', 'overlay', 'jpeg', 'watched', 'here', 'clients', 'browser', 'bare',
)  # fmt: skip


def add_parsers(commands: Commands) -> None:
    """Add the parser of `bench` and of each benchmark."""
    bench = commands.add_parser('bench', help='speed on this machine').add_subparsers(required=True, metavar='WHAT')
    pipeline = bench.add_parser('pipeline', help='the whole graph on a scene rendered beforehand', usage=_USAGE)
    pipeline.add_argument('--people', type=int, help='number of people in view (default: 4, or that of the preset)')
    pipeline.add_argument(
        '--preset',
        choices=tuple(PRESETS),
        help='people, size and rate together, unless flags say otherwise: '
        + ', '.join(f'{name} ({p.people} people, {p.width}×{p.height}, {p.fps:g}/s)' for name, p in PRESETS.items()),
    )
    pipeline.add_argument('--duration', type=float, default=60.0, help='seconds (default: 60)')
    pipeline.add_argument('--out', type=Path, help='also write the JSON to this file')
    add_flags(pipeline, *GROUPS, skip=_FIXED, no_effect=_NO_EFFECT, defaults=_DEFAULTS)
    pipeline.set_defaults(call=_bench_of_graph('pipeline'))
    dashboard = bench.add_parser(
        'dashboard', help='delay of the page behind a result, and the cost of viewers', usage=_USAGE
    )
    dashboard.add_argument('--people', type=int, default=4, help=_PEOPLE)
    dashboard.add_argument('--duration', type=float, default=30.0, help='seconds of each run (default: 30)')
    dashboard.add_argument(
        '--runs',
        nargs='+',
        choices=_DASHBOARD_RUNS,
        default=_DASHBOARD_RUNS,
        metavar='RUN',
        help=f'what to measure, of {", ".join(_DASHBOARD_RUNS)} (default: all)',
    )
    dashboard.add_argument('--out', type=Path, help='also write the JSON to this file')
    ports = 'dashboard_port', 'dashboard_port_tries'  # any free port
    add_flags(dashboard, *GROUPS, skip=_FIXED, no_effect=(*_NO_EFFECT, *ports), defaults={**_DEFAULTS, **_PAGE})
    dashboard.set_defaults(call=_bench_of_graph('dashboard'))
    faults = bench.add_parser(
        'faults', help='kill, stop, starve, fill and corrupt each part of a running graph', usage=_USAGE
    )
    faults.add_argument('--people', type=int, default=4, help=_PEOPLE)
    faults.add_argument(
        '--only', nargs='+', default=[], metavar='FAULT', help='names of rows, such as "viewer killed" (default: all)'
    )
    faults.add_argument('--out', type=Path, help='also write the JSON to this file')
    add_flags(faults, *GROUPS, skip=_FIXED, no_effect=(*_NO_EFFECT, *_STREAM), defaults={**_DEFAULTS, **_PAGE})
    faults.set_defaults(call=_bench_of_graph('faults.matrix'))
    soak = bench.add_parser(
        'soak', help='growth of memory over many images and people, beside slow and hostile pages', usage=_USAGE
    )
    soak.add_argument(
        '--people', type=int, default=4, help='people in view at a time; others after every 160 images (default: 4)'
    )
    soak.add_argument('--crowd', action='store_true', help='publish their tracks: more people than can be detected')
    soak.add_argument('--frames', type=int, default=20_000, help='number of images (default: 20000)')
    soak.add_argument('--slow', type=int, default=50, help='pages that read slowly, in every second turn (default: 50)')
    soak.add_argument(
        '--hostile', type=int, default=10, help='pages that send what no browser would, too (default: 10)'
    )
    soak.add_argument('--out', type=Path, help='also write the JSON to this file')
    unused = (*_NO_EFFECT, 'scene_portraits')
    add_flags(soak, *GROUPS, skip=_FIXED, no_effect=unused, defaults={**_DEFAULTS, **_PAGE, **_SOAK})
    soak.set_defaults(call=_bench_of_graph('soak'))
    for name, (module, text) in _OWN_FLAGS.items():
        bench.add_parser(name, help=text, add_help=False).set_defaults(call=_bench_with_own_flags(module), rest=[])


def with_preset(args: argparse.Namespace, settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings with the preset's size and rate where the command line gives none; sets `args.people`."""
    preset = PRESETS.get(getattr(args, 'preset', None) or '')
    if args.people is None:
        args.people = preset.people if preset else 4
    if preset is None:
        return settings
    camera = {'width': preset.width, 'height': preset.height, 'fps': float(preset.fps)}
    return {**settings, 'camera_node': {**camera, **settings['camera_node']}}


def _bench_of_graph(module: str) -> Callable[[argparse.Namespace], dict[str, Any]]:
    def call(args: argparse.Namespace) -> dict[str, Any]:
        require_ros()
        check_seconds('--duration', getattr(args, 'duration', 0.0))
        settings = with_preset(args, settings_by_node(args))
        if module == 'pipeline':  # as `run` starts
            with exit_on_interrupt(), no_collection():
                start_early(settings, dashboard=False)
        return import_module(f'affect_perception.bench.{module}').bench(args, settings)

    return call


def _bench_with_own_flags(module: str) -> Callable[[argparse.Namespace], int]:
    def call(args: argparse.Namespace) -> int:
        return import_module(f'affect_perception.bench.{module}').main(args.rest)

    return call
