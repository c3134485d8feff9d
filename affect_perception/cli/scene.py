"""`affect-perception scene`: the built-in scene as a video with labels."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from affect_perception.cli.flags import Commands, add_flags, check_seconds, settings_of
from affect_perception.runtime.files import make_folder
from affect_perception.settings import SourceSettings

_SCENE = {'width', 'height', 'fps', 'scene_people', 'scene_seed', 'scene_portraits'}


def add_parsers(commands: Commands) -> None:
    """Add the parser of `scene`."""
    scene = commands.add_parser(
        'scene',
        help='the built-in scene as a video with labels, to try evaluate on',
        usage='%(prog)s --out FOLDER [FLAGS]',
    )
    scene.add_argument(
        '--out', type=Path, required=True, metavar='FOLDER', help='folder for scene.mp4, scene.csv and scene.eaf'
    )
    scene.add_argument('--duration', type=float, default=40.0, help='seconds (default: 40)')
    others = {setting.name for setting in SourceSettings.declared()} - _SCENE
    add_flags(scene, 'camera_node', skip=others, shown=_SCENE)
    scene.set_defaults(call=_scene)


def _scene(args: argparse.Namespace) -> dict[str, Any]:
    make_folder(args.out)
    from tqdm import tqdm

    from affect_perception.evaluation.offline.scene_recording import write_recording

    def progress(frames: Iterable) -> Iterable:
        return tqdm(frames, unit='frame', disable=None)

    settings = SourceSettings.from_mapping(settings_of(args, 'camera_node'))
    check_seconds('--duration', args.duration)
    return write_recording(args.out, settings, args.duration, progress)
