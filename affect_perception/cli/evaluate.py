"""`affect-perception evaluate` and `affect-perception compare`: recordings to tables and reports, without ROS."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect_perception.cli.checks import check_evaluation, check_exists, check_labels
from affect_perception.cli.flags import Commands, add_flags, add_report_flags, report_options, settings_of
from affect_perception.errors import ConfigError
from affect_perception.runtime.files import make_folder
from affect_perception.runtime.imports.collection import no_collection
from affect_perception.runtime.interrupts import exit_on_interrupt
from affect_perception.settings import AffectSettings, AudioSettings, SourceSettings, TrackerSettings

if TYPE_CHECKING:
    from affect_perception.evaluation.offline.inputs import FoundInputs
    from affect_perception.evaluation.offline.jobs import Job

_SKIP = ('image_topic', 'image_transport', 'reliable_images', 'audio', 'audio_period_s')
# Nothing is subscribed to; every image waits for the detector, which looks at each alone; the sound is in a file.
_NO_EFFECT = (
    *('depth_topic', 'camera_info_topic', 'depth_slop_s', 'tracks_topics', 'audio_topic', 'audio_file'),
    *('detect_inline', 'detect_sweep'),
)
_TRACKER = {'detect_exhaustive': True}  # here time matters less than a face that is found late
_DEFAULTS = {**_TRACKER, 'backend': 'fixed, also in place of auto'}  # as `reproducible_settings` says


def add_parsers(commands: Commands) -> None:
    """Add the parsers of `evaluate` and `compare`."""
    evaluate = commands.add_parser(
        'evaluate',
        help='bags, videos, folders of images to faces.csv, without ROS',
        usage='%(prog)s INPUT [INPUT ...] --out FOLDER [FLAGS]',
    )
    evaluate.add_argument(
        'input',
        nargs='+',
        metavar='INPUT',
        help='bag (rosbag2 or ROS 1), video file or folder of images; several, or a folder of them: one result each',
    )
    evaluate.add_argument('--out', type=Path, required=True, metavar='FOLDER', help='folder for the results')
    evaluate.add_argument('--sequence', action='store_true', help='the images of the folder are frames of one video')
    evaluate.add_argument('--video', action='store_true', help='also write annotated.mp4, with boxes, ids and smiles')
    evaluate.add_argument(
        '--from',
        dest='start_from',
        choices=('images', 'tracks', 'affect'),
        default='images',
        help='what to start from: images, or face_tracks or face_affect recorded in a bag, for which the settings of '
        'detection, or all, have no effect (default: images)',
    )
    evaluate.add_argument(
        '--bag-topic',
        default='',
        metavar='TOPIC',
        help='topic of a bag to read, where it has several: of images, or of what --from says (default: the only one)',
    )
    evaluate.add_argument('--image-topic', dest='bag_topic', default='', help=argparse.SUPPRESS)  # earlier name
    evaluate.add_argument(
        '--audio',
        metavar='SOUND',
        help='also evaluate sound: auto (that of the input), off, or a media file or bag (default: no sound)',
    )
    evaluate.add_argument('--jobs', type=int, default=1, help='number of inputs evaluated in parallel (default: 1)')
    evaluate.add_argument(
        '--ray', default='', metavar='ADDRESS', help='evaluate on a Ray cluster instead: auto, local, ray://HOST:10001'
    )
    evaluate.add_argument('--truth', type=Path, help='true tracks in MOTChallenge form: adds IDF1, MOTA, switches')
    add_report_flags(evaluate)
    nodes = 'face_tracker_node', 'affect_node', 'audio_node'
    add_flags(evaluate, *nodes, skip=_SKIP, no_effect=_NO_EFFECT, defaults=_DEFAULTS)
    evaluate.set_defaults(call=_evaluate)

    compare = commands.add_parser('compare', help='several evaluations of one input side by side, as one page')
    compare.add_argument('runs', nargs='+', type=Path, metavar='RUN_DIR', help='output folder of `evaluate --out`')
    compare.add_argument('--out', type=Path, required=True, help='folder for report.html and metrics.json')
    add_report_flags(compare)
    compare.set_defaults(call=_compare)


def _evaluate(args: argparse.Namespace) -> dict[str, Any] | int:
    from affect_perception.evaluation.offline.inputs import find_inputs, is_several

    check_evaluation(args)
    found = find_inputs(args.input, args.out) if is_several(args.input) else None
    if found is not None:
        _check_many(args)
    check_labels(args.labels, args.truth, args.input if found is None else [str(one.path) for one in found.inputs])
    source = SourceSettings(source=args.input[0], bag_topic=args.bag_topic)
    tracker = TrackerSettings.from_mapping({**_TRACKER, **settings_of(args, 'face_tracker_node')})
    affect = AffectSettings.from_mapping(settings_of(args, 'affect_node'))
    if found is None and args.start_from == 'images':
        with exit_on_interrupt(), no_collection():
            _start_early(tracker)
    options: dict[str, Any] = {
        'sequence': args.sequence,
        'video': args.video,
        'truth': args.truth,
        'start_from': args.start_from,
        'report': report_options(args),
    }
    if args.audio is not None:
        options['audio'] = AudioSettings.from_mapping(settings_of(args, 'audio_node'))
    if found is not None:
        from affect_perception.evaluation.offline.jobs import make_jobs

        return _evaluate_many(args, found, make_jobs(found.inputs, args.out, source, tracker, affect, **options))
    with no_collection():
        from tqdm import tqdm

        from affect_perception.evaluation.offline.runner import evaluate
        from affect_perception.evaluation.offline.tables import left_out_lines

    def progress(frames: Any) -> Any:
        return tqdm(frames, total=frames.length, unit='frame', file=sys.stderr, disable=None)

    metrics = evaluate(args.input[0], args.out, source, tracker, affect, progress=progress, **options)
    for line in left_out_lines(metrics['files']):
        print(f'affect-perception: {line}', file=sys.stderr)
    return metrics


def _start_early(tracker: TrackerSettings) -> None:
    """Start the detector's process, which loads while this one goes on."""
    from affect_perception.detectors.detector_process import start_detector_early

    start_detector_early(tracker, live=False)


def _check_many(args: argparse.Namespace) -> None:
    """Refuse flags that fit a single input only."""
    if args.jobs < 1:
        raise ConfigError(f'--jobs {args.jobs} is no number of processes; give 1 or more')
    if args.truth is not None:
        raise ConfigError('--truth is for a single input; evaluate that one alone')
    if args.people or any(path.is_file() for path in args.labels):
        raise ConfigError(
            'for several inputs --labels is a folder with a file named as each; --people is for one input'
        )


def _evaluate_many(args: argparse.Namespace, found: FoundInputs, jobs: list[Job]) -> int:
    from affect_perception.evaluation.offline.batch import run_batch

    result = run_batch(jobs, args.out, args.jobs, args.ray, found.left_out)
    print(json.dumps(result))
    if result['failed'] == result['inputs']:
        return 2
    return 1 if result['failed'] else 0


def _compare(args: argparse.Namespace) -> dict[str, Any]:
    check_exists(*args.runs, *args.labels)
    make_folder(args.out)
    from affect_perception.evaluation.offline.comparison import compare

    return compare(args.runs, args.out, report_options(args))
