"""`affect-perception prepare`: a data set in its official layout to shards of face crops for training."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from affect_perception.cli.checks import check_exists
from affect_perception.cli.flags import Commands, add_flags, settings_of
from affect_perception.settings import TrackerSettings

_SKIP = ('image_topic', 'image_transport', 'reliable_images', 'depth_topic', 'camera_info_topic', 'depth_slop_s')
_NO_EFFECT = ('detect_inline', 'detect_beside', 'detect_sweep')  # every picture waits for the detector, in this process
# The labels say who a face is; time matters less than a face that is not found.
_DEFAULTS = {'reid': 'off', 'detect_exhaustive': True}


def add_parsers(commands: Commands) -> None:
    """Add the parser of `prepare`."""
    prepare = commands.add_parser(
        'prepare',
        help='a data set in its official layout to face crops for training',
        usage='%(prog)s NAME SRC DST [FLAGS]',
    )
    prepare.add_argument(
        'name',
        metavar='NAME',
        help='aff_wild2, hume_reaction, afew, sfew, raf_db, affectnet, sewa, elan (videos with ELAN tiers) or csv; '
        'generated makes clips of the picture sets of docs/training.md (docs/papers.md)',
    )
    prepare.add_argument('src', type=Path, metavar='SRC', help='folder of the data set')
    prepare.add_argument('dst', type=Path, metavar='DST', help='folder for the shards; run again to continue')
    prepare.add_argument('--jobs', type=int, default=1, help='number of processes (default: 1)')
    prepare.add_argument(
        '--ray', nargs='?', const='local', default='', metavar='ADDRESS',
        help='work on a Ray cluster instead: auto, ray://HOST:10001, or local, for which --ray alone will do',
    )  # fmt: skip
    prepare.add_argument(
        '--faces', choices=('auto', 'detect', 'given'), default='auto',
        help='detect: find faces in videos and photographs; given: take the face crops of the set; auto: detect where '
        'the set has uncropped media (default)',
    )  # fmt: skip
    prepare.add_argument(
        '--quantities', default='', metavar='LIST', help='labels to keep, as valence,arousal (default: all)'
    )
    prepare.add_argument(
        '--audio-features', default='', metavar='NAME',
        help='also extract the sound of videos: logmel, or of openSMILE compare65, egemaps, egemaps2 (two rows side by '
        'side, for aspandi2020), or is10_functionals[:SECONDS] (of the last 4 s, for vielzeuf2018) (default: none)',
    )  # fmt: skip
    add_flags(prepare, 'face_tracker_node', skip=_SKIP, no_effect=_NO_EFFECT, defaults=_DEFAULTS)
    prepare.set_defaults(call=_prepare)


def _prepare(args: argparse.Namespace) -> int:
    check_exists(args.src)
    if args.name == 'generated':
        from affect_perception.training.synthetic.generated_clips import Plan, generate

        made = generate(args.src.absolute(), args.dst.absolute(), Plan())
        print(json.dumps({**made, 'out': str(args.dst)}))
        return 0
    from affect_perception.datasets.prepare import PrepareOptions, prepare
    from affect_perception.datasets.summary import format_table

    tracker = TrackerSettings.from_mapping({**_DEFAULTS, **settings_of(args, 'face_tracker_node')})
    quantities = tuple(name.strip() for name in args.quantities.split(',') if name.strip())
    options = PrepareOptions(args.jobs, args.ray, args.faces, quantities, args.audio_features)
    report: dict[str, Any] = prepare(args.name, args.src, args.dst, tracker, options)
    print(format_table(report))
    print(json.dumps({**report, 'out': str(args.dst)}))
    return 1 if report['failed'] else 0
