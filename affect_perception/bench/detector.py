"""`affect-perception bench detector`: parity with dlib's own CNN, and speed of all detectors.

Speed is measured on one image of the given size, all detectors in the same run. Parity is measured over many images:
matched, missed and extra faces, and differences of boxes and scores. dlib's own CNN is slow, so its results can be
kept in a file (`--native-cache`), by the hash of the pixels.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from affect_perception.bench import recall
from affect_perception.bench.images import image_hash, images
from affect_perception.bench.machine import machine, save_result
from affect_perception.bench.parity import BAND, Parity
from affect_perception.detectors import make_detector
from affect_perception.detectors.dlib.native import DlibCnnNative
from affect_perception.detectors.dlib.pyramid import RawDetection
from affect_perception.errors import AffectPerceptionError, ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import steady_script

EXHAUSTIVE = 'exhaustive'  # dlib's CNN on the whole picture


class NativeResults:
    """Faces of an image by dlib's own CNN, cached in `file` (if not empty) by the hash of the pixels."""

    def __init__(self, native: DlibCnnNative, file: str) -> None:
        self._native = native
        self._file = Path(file) if file else None
        try:
            self._cached = json.loads(self._file.read_text()) if self._file and self._file.exists() else {}
        except (OSError, ValueError) as error:
            raise ConfigError(f'{file} is not a cache of results: {error}; give another --native-cache') from error

    def __call__(self, name: str, rgb: np.ndarray) -> list[RawDetection]:
        """Detect or look up the faces of an image."""
        key = image_hash(rgb)
        if key not in self._cached:
            start = time.perf_counter()
            faces = self._native.detect_raw(rgb)
            milliseconds = (time.perf_counter() - start) * 1e3
            self._cached[key] = {'name': name, 'size': [*rgb.shape[1::-1]], 'faces': faces, 'ms': milliseconds}
            if self._file:
                self._file.write_text(json.dumps(self._cached))
        return [tuple(face) for face in self._cached[key]['faces']]


def speed_image(width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8: the astronaut in the centre, three quarters of the height, edges mirrored."""
    from skimage.data import astronaut

    side = max(min(width, height) * 3 // 4, 1)
    photo = cv2.resize(astronaut(), (side, side), interpolation=cv2.INTER_AREA)
    top, left = (height - side) // 2, (width - side) // 2
    return cv2.copyMakeBorder(photo, top, height - side - top, left, width - side - left, cv2.BORDER_REFLECT)


def median_ms(run: Callable[[], object], repeats: int, warm_up: int) -> float:
    """Median time of one call in ms, after `warm_up` calls."""
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times), 2)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit status, 2 with one line on stderr for bad input."""
    arguments = _parser().parse_args(argv)
    try:
        result = (_measure_recall if arguments.recall else _measure)(arguments)
    except AffectPerceptionError as error:
        print(f'bench detector: {error}', file=sys.stderr)
        return 2
    (_print_recall if arguments.recall else _print_table)(result)
    print(json.dumps(result))
    save_result(result, arguments.out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='affect-perception bench detector', description=__doc__.split('\n')[0])
    parser.add_argument(
        'pictures',
        nargs='*',
        default=['astronaut'],
        help='images, clips, folders, or `astronaut` (23 copies of one photo)',
    )
    parser.add_argument('--size', type=_size, default=(640, 480), help='size of the image for the speed (640x480)')
    parser.add_argument('--every', type=_positive, default=5, help='use every n-th frame of a clip (5)')
    parser.add_argument('--max-width', type=_positive, default=1280, help='wider images are scaled down, px (1280)')
    parser.add_argument('--native-cache', default='', help="file that caches dlib's own results")
    parser.add_argument(
        '--repeats', type=_positive, default=20, help="runs per detector; a tenth as many of dlib's CNN (20)"
    )
    parser.add_argument('--threads', type=_positive, help='CPU threads of PyTorch (its own choice)')
    parser.add_argument(
        '--recall', action='store_true', help='recall by size, yaw, pitch and roll, and CPU time, instead'
    )
    parser.add_argument(
        '--kinds', nargs='+', choices=recall.KINDS, default=recall.KINDS, help='with --recall: what to vary (all)'
    )
    parser.add_argument('--out', type=Path, help='also write the JSON to this file')
    parser.add_argument('--yunet', default='', metavar='FILE', help="with --recall: YuNet's weights, compared as well")
    parser.add_argument(
        '--portraits', default='', help='with --recall: folder of portraits, as the setting of the scene'
    )
    parser.add_argument('--weights', default='', help='mmod_human_face_detector.dat; empty: the installed one')
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number above 0')
    return int(text)


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split('x')
    if len(parts) != 2 or not all(part.isdecimal() and 80 <= int(part) <= 8000 for part in parts):
        raise argparse.ArgumentTypeError(f'{text!r} is no size; give WIDTHxHEIGHT, 80 to 8000 each')
    return int(parts[0]), int(parts[1])


def _measure(arguments: argparse.Namespace) -> dict:
    # Waiting threads must not spin: with another program on a core, each convolution would wait for its time slice
    # (measured: 550 instead of 60 ms). The variable is read when PyTorch is loaded, hence the late imports.
    os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
    import dlib
    import torch

    from affect_perception.detectors.dlib.cnn import DlibCnn

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    ours = {f'dlib_cnn_{p}': DlibCnn(arguments.weights, precision=p) for p in ('fp32', 'bf16')}
    if torch.cuda.is_available():
        ours['dlib_cnn_cuda'] = DlibCnn(arguments.weights, device='cuda')
    native = DlibCnnNative(arguments.weights)
    hog = dlib.get_frontal_face_detector()

    native_results = NativeResults(native, arguments.native_cache)
    parities = {name: Parity() for name in ours}
    count = 0
    for name, rgb in images(arguments.pictures, arguments.every, arguments.max_width):
        reference = native_results(name, rgb)
        for detector_name, detector in ours.items():
            parities[detector_name].add(name, reference, detector.detect_raw(rgb))
        count += 1

    image = speed_image(*arguments.size)
    few = max(arguments.repeats // 10, 1)
    times = {'dlib_cnn_native': median_ms(lambda: native.detect_raw(image), few, warm_up=1)}
    for name, detector in ours.items():
        times[name] = median_ms(functools.partial(detector.detect_raw, image), arguments.repeats, warm_up=3)
    times['dlib_hog'] = median_ms(lambda: hog(image), arguments.repeats, warm_up=3)
    numbers = {name: parity.numbers() for name, parity in parities.items()}
    return {
        'size': list(arguments.size),
        'images': count,
        'threads': torch.get_num_threads(),
        'ms': times,
        'speedup': round(times['dlib_cnn_native'] / min(times['dlib_cnn_fp32'], times['dlib_cnn_bf16']), 1),
        'parity': numbers['dlib_cnn_fp32'],
        'parity_by_precision': {name.removeprefix('dlib_cnn_'): values for name, values in numbers.items()},
    }


def _measure_recall(arguments: argparse.Namespace) -> dict:
    """Recall, and CPU time on one thread with eight people and with nobody at 1280×720."""
    os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    common = {'detect_device': 'cpu', 'detector_weights': arguments.weights}
    proposed = TrackerSettings(detector='dlib_cnn', detect_exhaustive=False, **common)
    wanted = {
        EXHAUSTIVE: proposed.changed(detect_exhaustive=True),
        'proposed, from 80 px': proposed.changed(detect_smallest_px=80),
        'proposed, from 36 px': proposed.changed(detect_smallest_px=36),
        'hog': TrackerSettings(detector='dlib_hog'),
    }
    if arguments.yunet:
        wanted['yunet'] = TrackerSettings(detector='yunet', detector_weights=arguments.yunet)
    detectors = {name: make_detector(settings) for name, settings in wanted.items()}
    more = (rgb for _, rgb in images(arguments.pictures, arguments.every, arguments.max_width))
    recalls = recall.measure(detectors, EXHAUSTIVE, more, arguments.portraits, arguments.kinds)
    width, height = recall.WIDTH, recall.HEIGHT
    scenes = {
        people: Scene(width, height, people=people, script=steady_script(people, 16 / 9, 0)).frame(10).rgb
        for people in (8, 0)
    }
    repeats = max(arguments.repeats // 4, 1)
    times: dict[str, dict[str, float]] = {name: {} for name in detectors}
    for people, rgb in scenes.items():
        for name, detector in detectors.items():
            times[name][f'{people} people'] = recall.cpu_ms(functools.partial(detector.detect, rgb), repeats)
    return {
        'size': [recall.WIDTH, recall.HEIGHT],
        'recall': {name: one.numbers() for name, one in recalls.items()},
        'cpu_ms': times,
        'machine': machine(),
    }


def _print_recall(result: dict) -> None:
    base = result['cpu_ms'][EXHAUSTIVE]
    for name, numbers in result['recall'].items():
        print(f'{name}: {numbers["false"]} false alarms on rendered faces')
        for kind in (kind for kind in recall.KINDS if kind in numbers):
            print(
                f'  by {kind:<5}'
                + ''.join(f'{key:>8} {100 * (value or 0):4.0f} %' for key, value in numbers[kind].items())
            )
        of = numbers['of_exhaustive']
        print(f'  of {of["faces"]} faces of exhaustive dlib: recall {of["recall"]}, {of["extra"]} others')
        for people, milliseconds in result['cpu_ms'][name].items():
            ratio = base[people] / milliseconds
            print(f'  CPU with {people}: {milliseconds:.1f} ms; exhaustive: {ratio:.1f} times as much')


def _print_table(result: dict) -> None:
    width, height = result['size']
    print(f'One image of {width}×{height}, {result["threads"]} threads:')
    native = result['ms']['dlib_cnn_native']
    for name, value in result['ms'].items():
        print(f'  {name:<16} {value:9.1f} ms  {native / value:6.1f} ×')
    print(f"Against dlib's own CNN on {result['images']} images (scores within ±{BAND} of the threshold left out):")
    print(f'  {"":<6} {"matched":>8} {"missed":>7} {"extra":>6} {"IoU mean":>9} {"IoU min":>8} {"score diff":>11}')
    for name, parity in result['parity_by_precision'].items():
        counts = f'{parity["matched"]:8} {parity["missed"]:7} {parity["extra"]:6}'
        if parity['iou_mean'] is None:
            print(f'  {name:<6} {counts}')
            continue
        print(
            f'  {name:<6} {counts} {parity["iou_mean"]:9.4f} {parity["iou_min"]:8.4f} '
            f'{parity["confidence_diff_max"]:11.6f}'
        )
        for title in ('differences', 'inside_band'):
            for line in parity[title]:
                print(f'         {title.replace("_", " ")}: {line}')


if __name__ == '__main__':
    raise SystemExit(main())
