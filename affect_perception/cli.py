"""`affect-perception`: parse, call, print. Bad input is one line on stderr and exit status 2.

Flags come from the settings (`settings/`); what measures ends with one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from affect_perception.errors import AffectPerceptionError, ConfigError
from affect_perception.settings import GROUPS, Settings, SourceSettings


def add_flags(parser: argparse.ArgumentParser, *nodes: str, skip: tuple[str, ...] = ()) -> None:
    """One flag per setting of the named nodes. What is not given stays None: the node's default holds."""
    for node in nodes:
        section = parser.add_argument_group(f'settings of {node}')
        for declared in GROUPS[node].declared():
            if declared.name in skip:
                continue
            unit = f', {declared.unit}' if declared.unit else ''
            text = f'{declared.meaning} ({declared.allowed}{unit}; default {declared.default})'.replace('%', '%%')
            flag = '--' + declared.name.replace('_', '-')
            if declared.type is bool:
                section.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
            else:
                section.add_argument(flag, type=declared.type, help=text, metavar=declared.type.__name__.upper())


_SCENE = {'width', 'height', 'fps', 'scene_people', 'scene_seed', 'scene_portraits'}


def add_report_flags(parser: argparse.ArgumentParser) -> None:
    section = parser.add_argument_group('labels and the report (docs/evaluation.md)')
    section.add_argument(
        '--labels',
        type=Path,
        action='append',
        default=[],
        metavar='FILE',
        help='.eaf (ELAN), .csv or .txt (Aff-Wild2) of this input, or a folder with files named as the inputs; may be '
        'given again for more annotators, the first of whom is the reference',
    )
    section.add_argument(
        '--people',
        default='',
        metavar='MAP',
        help='which track ids a labelled person has, as anna=1,ben=2+5 (by boxes, else from left to right)',
    )
    section.add_argument(
        '--faces', action=argparse.BooleanOptionalAction, default=True, help='small pictures of faces in report.html'
    )


def given(args: argparse.Namespace, node: str) -> dict:
    """The settings of a node that the command line gives, checked."""
    names = {declared.name for declared in GROUPS[node].declared()}
    values = {name: value for name, value in vars(args).items() if name in names and value is not None}
    checked: Settings = GROUPS[node].from_mapping(values)
    return {name: getattr(checked, name) for name in values}


def _run(args: argparse.Namespace) -> dict:
    _need_ros()
    from affect_perception.graph.run import run
    from affect_perception.nodes.recorder_node import Recording

    if args.duration < 0:
        raise ConfigError(f'--duration {args.duration} is negative; give seconds, or 0 for no limit')
    if args.record_images and args.record is None:
        raise ConfigError('--record-images says what a recording holds; give --record BAG as well')
    record = Recording(args.record, args.record_images) if args.record is not None else None
    return run(args.source or 'auto', args.duration, {node: given(args, node) for node in GROUPS}, record)


def _evaluate(args: argparse.Namespace) -> dict | int:
    from affect_perception.evaluation.offline.inputs import is_several

    source = SourceSettings(source=args.input[0], bag_topic=args.bag_topic)
    tracker, affect = (GROUPS[node].from_mapping(given(args, node)) for node in ('face_tracker_node', 'affect_node'))
    options = {'sequence': args.sequence, 'video': args.video, 'truth': args.truth, 'start_from': args.start_from}
    options['report'] = _report_options(args)
    if is_several(args.input):
        return _evaluate_many(args, source, tracker, affect, options)
    from tqdm import tqdm

    from affect_perception.evaluation.offline.runner import evaluate

    def progress(frames):
        return tqdm(frames, total=frames.length, unit='frame', file=sys.stderr, disable=None)

    return evaluate(args.input[0], args.out, source, tracker, affect, progress=progress, **options)


def _report_options(args: argparse.Namespace):
    from affect_perception.evaluation.report.report import ReportOptions

    return ReportOptions(tuple(args.labels), args.people, args.faces, shlex.join(['affect-perception', *sys.argv[1:]]))


def _compare(args: argparse.Namespace) -> dict:
    from affect_perception.evaluation.offline.comparison import compare

    return compare(args.runs, args.out, _report_options(args))


def _scene(args: argparse.Namespace) -> dict:
    from tqdm import tqdm

    from affect_perception.evaluation.offline.scene_recording import write

    settings = SourceSettings.from_mapping(given(args, 'camera_node'))
    return write(args.out, settings, args.duration, lambda frames: tqdm(frames, unit='frame', disable=None))


def _evaluate_many(args: argparse.Namespace, source, tracker, affect, options: dict) -> int:
    from affect_perception.evaluation.offline.batch import make_jobs, run_batch
    from affect_perception.evaluation.offline.inputs import find_inputs

    if args.jobs < 1:
        raise ConfigError(f'--jobs {args.jobs} is no number of processes; give 1 or more')
    if args.truth is not None:
        raise ConfigError('--truth is of one input; evaluate that one alone')
    if args.people or any(path.is_file() for path in args.labels):
        raise ConfigError(
            'for several inputs --labels is a folder with a file named as each; --people is for one input'
        )
    jobs = make_jobs(find_inputs(args.input, args.out), args.out, source, tracker, affect, **options)
    result = run_batch(jobs, args.out, args.jobs, args.ray)
    print(json.dumps(result))
    return 1 if result['failed'] else 0


def _train(args: argparse.Namespace) -> dict | None:
    from affect_perception.training.train import main as train

    return train(args.config, args.out, args.resume)


def _models(args: argparse.Namespace) -> None:
    from affect_perception.models.checkpoint import print_installed

    print_installed()


def _bench_pipeline(args: argparse.Namespace) -> dict:
    _need_ros()
    from affect_perception.bench.pipeline import bench

    return bench(args, {node: given(args, node) for node in GROUPS})


def _bench_dashboard(args: argparse.Namespace) -> dict:
    _need_ros()
    from affect_perception.bench.dashboard import bench

    return bench(args, {node: given(args, node) for node in GROUPS})


def _bench_detector(args: argparse.Namespace) -> int:
    from affect_perception.bench.detector import main as bench

    return bench(args.rest)


def _bench_inference(args: argparse.Namespace) -> int:
    from affect_perception.bench.inference import main as bench

    return bench(args.rest)


def _bench_offline(args: argparse.Namespace) -> int:
    from affect_perception.bench.offline import main as bench

    return bench(args.rest)


def _bench_ids(args: argparse.Namespace) -> int:
    from affect_perception.bench.identities import main as bench

    return bench(args.rest)


def _need_ros() -> None:
    try:
        import rclpy  # noqa: F401

        import affect_perception.msg  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f'ROS 2 or the messages of this package cannot be imported ({error}); run `make set-up` and activate '
            '.venv, or source your ROS 2 installation and the workspace that this package was built in'
        ) from error


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog='affect-perception', description=__doc__.split('\n')[0])
    commands = root.add_subparsers(required=True, metavar='COMMAND')

    run = commands.add_parser('run', help='the whole graph in one process, on any source')
    run.add_argument('--duration', type=float, default=0.0, help='seconds to run; 0: until the end or Ctrl-C')
    run.add_argument('--record', type=Path, metavar='BAG', help='keep the results in a new rosbag2 (MCAP)')
    run.add_argument('--record-images', action='store_true', help='keep the images in it, too')
    add_flags(run, *GROUPS)
    run.set_defaults(call=_run)

    evaluate = commands.add_parser('evaluate', help='bags, videos, folders of images to faces.csv, without ROS')
    evaluate.add_argument(
        'input',
        nargs='+',
        help='bag (rosbag2 or ROS 1), video file or folder of images; several, or a folder of them: one result each',
    )
    evaluate.add_argument('--out', type=Path, required=True, help='folder for the results')
    evaluate.add_argument('--sequence', action='store_true', help='the images of the folder are frames of one video')
    evaluate.add_argument('--video', action='store_true', help='also write annotated.mp4, with boxes, ids and smiles')
    evaluate.add_argument(
        '--from',
        dest='start_from',
        choices=('images', 'tracks', 'affect'),
        default='images',
        help='what to begin with: images, or face_tracks or face_affect that a bag has recorded (default images)',
    )
    evaluate.add_argument(
        '--bag-topic',
        '--image-topic',
        default='',
        metavar='TOPIC',
        help='topic of a bag to read, where it has several (of images, or of what --from says)',
    )
    evaluate.add_argument('--jobs', type=int, default=1, help='inputs that are evaluated at once (default 1)')
    evaluate.add_argument(
        '--ray', default='', metavar='ADDRESS', help='evaluate on a Ray cluster instead: auto, local, ray://HOST:10001'
    )
    evaluate.add_argument('--truth', type=Path, help='true tracks in MOTChallenge form: adds IDF1, MOTA, switches')
    add_flags(evaluate, 'face_tracker_node', 'affect_node', skip=('image_topic', 'image_transport', 'reliable_images'))
    add_report_flags(evaluate)
    evaluate.set_defaults(call=_evaluate)

    compare = commands.add_parser('compare', help='several evaluations of one input side by side, as one page')
    compare.add_argument(
        'runs', nargs='+', type=Path, metavar='RUN_DIR', help='folder that `evaluate --out` has filled'
    )
    compare.add_argument('--out', type=Path, required=True, help='folder for report.html and metrics.json')
    add_report_flags(compare)
    compare.set_defaults(call=_compare)

    scene = commands.add_parser('scene', help='the built-in scene as a clip with labels, to try evaluate on')
    scene.add_argument('--out', type=Path, required=True, help='folder for scene.mp4, scene.csv and scene.eaf')
    scene.add_argument('--duration', type=float, default=40.0, help='seconds (40)')
    others = {setting.name for setting in SourceSettings.declared()} - _SCENE
    add_flags(scene, 'camera_node', skip=tuple(others))
    scene.set_defaults(call=_scene)

    train = commands.add_parser('train', help='train a model from a configuration file')
    train.add_argument('config', type=Path)
    train.add_argument('--out', type=Path, help='folder for checkpoints (default: runs/<name>)')
    train.add_argument('--resume', action='store_true', help='go on from the last checkpoint of that folder')
    train.set_defaults(call=_train)

    models = commands.add_parser('models', help='installed checkpoints, their scores and terms')
    models.set_defaults(call=_models)

    bench = commands.add_parser('bench', help='speed on this machine').add_subparsers(required=True, metavar='WHAT')
    pipeline = bench.add_parser('pipeline', help='the whole graph on a scene rendered beforehand')
    pipeline.add_argument('--people', type=int, default=4)
    pipeline.add_argument('--duration', type=float, default=60.0, help='seconds')
    pipeline.add_argument('--out', type=Path, help='also write the JSON to this file')
    add_flags(pipeline, *GROUPS, skip=('source', 'rate', 'loop', 'scene_people', 'reliable_images'))
    pipeline.set_defaults(call=_bench_pipeline)
    dashboard = bench.add_parser('dashboard', help='how soon the page shows a result, and what watching costs')
    dashboard.add_argument('--people', type=int, default=4)
    dashboard.add_argument('--duration', type=float, default=30.0, help='seconds of each')
    parts = ('page', 'pictures', 'markers', 'overlay', 'jpeg')
    runs = ('delay', *parts, 'watched', 'here', 'clients', 'browser', 'bare')
    dashboard.add_argument('--runs', nargs='+', choices=runs, default=runs, help='what to measure (all)')
    dashboard.add_argument('--out', type=Path, help='also write the JSON to this file')
    add_flags(dashboard, *GROUPS, skip=('source', 'rate', 'loop', 'scene_people', 'reliable_images'))
    dashboard.set_defaults(call=_bench_dashboard)
    detector = bench.add_parser('detector', help="dlib's CNN, our run of it, and HOG, side by side", add_help=False)
    detector.set_defaults(call=_bench_detector)
    ids = bench.add_parser('ids', help='do people keep their ids? scripted scenes, scored per person', add_help=False)
    ids.set_defaults(call=_bench_ids)
    inference = bench.add_parser(
        'inference', help="what a step costs with 1 to 64 faces (the paper's Fig. 6)", add_help=False
    )
    inference.set_defaults(call=_bench_inference)
    offline = bench.add_parser('offline', help='how much faster than it was filmed a bag is evaluated', add_help=False)
    offline.set_defaults(call=_bench_offline)
    for passes_on in (detector, ids, inference, offline):  # they have flags of their own
        passes_on.set_defaults(rest=[])
    return root


def main(argv: list[str] | None = None) -> int:
    root = parser()
    args, unknown = root.parse_known_args(argv)
    if hasattr(args, 'rest'):
        args.rest = unknown
    elif unknown:
        root.error(f'unrecognized arguments: {" ".join(unknown)}')
    try:
        result = args.call(args)
    except AffectPerceptionError as error:
        print(f'affect-perception: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if isinstance(result, int):
        return result
    if result is not None:
        print(json.dumps(result))
    return 0


if __name__ == '__main__':
    sys.exit(main())
