"""`affect-perception run`: the whole graph in one process, on any source."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from affect_perception.cli.checks import check_run
from affect_perception.cli.flags import Commands, add_flags, check_seconds, require_ros, settings_by_node
from affect_perception.errors import ConfigError
from affect_perception.runtime.imports.collection import no_collection
from affect_perception.runtime.interrupts import exit_on_interrupt
from affect_perception.settings import GROUPS, GraphSettings, TrackerSettings

_WITH_RATE_0 = 'off; always on with --rate 0'
_DEFAULTS = {  # of the settings for which `graph.run` has another default than the node, for the help
    'audio': 'no sound',
    'sound': 'on with --audio, else off',
    'scene_speech': 'on with --audio auto or scene, else off',
    'dashboard': 'on, where aiohttp is installed',
    'dashboard_port_tries': '10; 1 with --dashboard-port',
    'image_topic': 'image, or that of --source topic:NAME',
    'image_transport': 'auto, or that of --source topic:NAME',
    'reliable_images': _WITH_RATE_0,
    'detect_inline': _WITH_RATE_0,
}


def add_parsers(commands: Commands) -> None:
    """Add the parser of `run`."""
    run = commands.add_parser(
        'run', help='the whole graph in one process, on any source', usage='%(prog)s [--source SOURCE] [FLAGS]'
    )
    run.add_argument(
        '--duration', type=float, default=0.0, help='seconds to run (default: until the end of the source, or Ctrl-C)'
    )
    run.add_argument('--record', type=Path, metavar='BAG', help='record the results to a new rosbag2 (MCAP)')
    run.add_argument('--record-images', action='store_true', help='record the images, too')
    add_flags(run, *GROUPS, defaults=_DEFAULTS)
    run.set_defaults(call=_run)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    check_run(args.source or 'auto', args.record, args.audio_file)
    require_ros()
    settings = settings_by_node(args)
    with exit_on_interrupt(), no_collection():
        start_early(settings)
        from affect_perception.graph.run import run
        from affect_perception.nodes.recorder_node import Recording

    check_seconds('--duration', args.duration)
    if args.record_images and args.record is None:
        raise ConfigError('--record-images needs a recording; give --record BAG as well')
    record = Recording(args.record, args.record_images) if args.record is not None else None
    return run(args.source or 'auto', args.duration, settings, record)


def start_early(settings: dict[str, dict[str, Any]], dashboard: bool = True) -> None:
    """Start the processes of viewers and detector, unless each image waits for its detection (camera_node's `rate` 0).

    They load while this process imports what it needs itself. `dashboard`: the page runs where the settings do not say.
    """
    from affect_perception.detectors.detector_process import start_detector_early
    from affect_perception.graph.viewer_process import start_viewers_early

    if settings['camera_node'].get('rate') == 0:
        return
    start_viewers_early(GraphSettings.from_mapping({'dashboard': dashboard, **settings['graph']}))
    start_detector_early(TrackerSettings.from_mapping(settings['face_tracker_node']), live=True)
