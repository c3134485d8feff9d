"""`affect-perception bench offline`: speed of the evaluation of a bag, relative to real time.

The bag holds JPEGs of the built-in scene, played forwards and backwards (MCAP, 1280×720, 30 1/s). `whole` is the
command from start to end, with start-up and report; `steady` is without both, as in a long recording.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2

from affect_perception.bench.machine import machine, save_result
from affect_perception.bench.prerendered import RENDERED_S, mirrored_index
from affect_perception.errors import ConfigError

_FPS = 30.0
_QUALITY = 90
_IMAGES = '/camera/image_raw/compressed'


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(prog='affect-perception bench offline', description=__doc__.split('\n')[0])
    parser.add_argument('--people', type=int, default=4, help='number of people in view (4)')
    parser.add_argument('--duration', type=float, default=60.0, help='seconds of the bag (60)')
    parser.add_argument('--size', default='1280x720', help='size of its images (1280x720)')
    parser.add_argument(
        '--detectors',
        nargs='+',
        default=['dlib_cnn', 'dlib_hog'],
        metavar='NAME',
        help='detectors to measure (dlib_cnn dlib_hog)',
    )
    parser.add_argument('--bag', type=Path, help='keep the bag there, or use the existing one')
    parser.add_argument('--out', type=Path, help='also write the JSON to this file')
    args = parser.parse_args(argv)
    try:
        width, height = map(int, args.size.split('x'))
    except ValueError:
        raise ConfigError(f'--size {args.size!r}: give it as 1280x720') from None
    result: dict = {'seconds_of_video': args.duration, 'people': args.people, 'size': [width, height], 'detectors': {}}
    with tempfile.TemporaryDirectory() as folder:
        bag = args.bag or Path(folder) / 'bag'
        if not bag.exists():
            write_bag(bag, args.people, (width, height), args.duration)
        for detector in args.detectors:
            result['detectors'][detector] = time_evaluation(bag, Path(folder) / detector, detector)
    result['machine'] = machine()
    for detector, speed in result['detectors'].items():
        print(
            f'{detector:<10} whole {speed["whole"]:.2f} × real time ({speed["seconds"]:.1f} s), steady '
            f'{speed["steady"]:.2f} ×; {speed["start_s"]:.1f} s before the first frame, {speed["end_s"]:.1f} s after'
        )
    save_result(result, args.out)
    print(json.dumps(result))
    return 0


def write_bag(path: Path, people: int, size: tuple[int, int], duration_s: float) -> None:
    """Write images of the scene as JPEGs to a rosbag2."""
    import rosbags.typesys.stores.ros2_humble as types
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    from affect_perception.sources.scene.scene import Scene
    from affect_perception.sources.scene.script import steady_script

    print(f'rendering {min(duration_s, RENDERED_S):.0f} s of the scene ...', file=sys.stderr)
    scene = Scene(*size, _FPS, people=people, script=steady_script(people, size[0] / size[1], 0))
    count = min(round(RENDERED_S * _FPS), round(duration_s * _FPS))
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    jpegs = [
        cv2.imencode('.jpg', cv2.cvtColor(scene.frame(i).rgb, cv2.COLOR_RGB2BGR), quality)[1].reshape(-1)
        for i in range(count)
    ]
    store = get_typestore(Stores.ROS2_HUMBLE)
    kind = types.sensor_msgs__msg__CompressedImage
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection(_IMAGES, kind.__msgtype__, typestore=store)
        for index in range(round(duration_s * _FPS)):
            stamp_ns = 1_700_000_000_000_000_000 + round(index * 1e9 / _FPS)
            stamp = types.builtin_interfaces__msg__Time(*divmod(stamp_ns, 10**9))
            jpeg = jpegs[mirrored_index(index, count)]
            message = kind(types.std_msgs__msg__Header(stamp, 'camera'), 'jpeg', jpeg)
            writer.write(topic, stamp_ns, store.serialize_cdr(message, kind.__msgtype__))


def time_evaluation(bag: Path, out: Path, detector: str) -> dict:
    """Speeds of the evaluation in a process of its own, relative to real time, and its times in s."""
    code = 'import sys; from affect_perception.bench import offline; offline.evaluate_and_print_times(*sys.argv[1:])'
    start = time.time()
    done = subprocess.run([sys.executable, '-c', code, bag, out, detector], capture_output=True, text=True)
    seconds = time.time() - start
    if done.returncode:
        raise ConfigError(f'evaluate failed: {done.stderr.strip()[-500:]}')
    first, last, frames = json.loads(done.stdout.splitlines()[-1])
    return {
        'whole': round(frames / _FPS / seconds, 3),
        'steady': round((frames - 1) / _FPS / (last - first), 3),
        'seconds': round(seconds, 2),
        'start_s': round(first - start, 2),
        'end_s': round(start + seconds - last, 2),
        'frames': frames,
    }


def evaluate_and_print_times(bag: str, out: str, detector: str) -> None:
    """Run `affect-perception evaluate`; prints the times of the first and the last frame, and their number."""
    from affect_perception.evaluation.offline.runner import Item, evaluate
    from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings

    times: list[float] = []

    def note_times(frames: Iterable[Item]) -> Iterator[Item]:
        for item in frames:
            times.append(time.time())
            yield item

    tracker = TrackerSettings(detector=detector, detect_exhaustive=True)
    evaluate(bag, Path(out), SourceSettings(source=bag), tracker, AffectSettings(), progress=note_times)
    print(json.dumps([times[0], times[-1], len(times)]))


if __name__ == '__main__':
    sys.exit(main())
