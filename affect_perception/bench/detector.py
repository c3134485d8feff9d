"""`affect-perception bench detector`: are our answers dlib's answers, and how much sooner do they come?

Speed is measured on one picture of the size asked for, every detector in the same run on the same picture. Parity is
measured over many pictures: which of dlib's faces are found, which others are, and how far boxes and scores differ.
dlib's own CNN is slow, so its answers can be kept in a file (`--native-cache`), by the hash of the pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from affect_perception.bench.pictures import picture_hash, pictures
from affect_perception.detectors.dlib.native import DlibCnnNative
from affect_perception.detectors.dlib.pyramid import RawDetection
from affect_perception.errors import AffectPerceptionError, ConfigError

BAND = 0.05  # scores this near to dlib's threshold of 0 may fall on either side of it
SAME_FACE_IOU = 0.5
DECIMALS = 6


@dataclass
class Parity:
    """Counts over all pictures seen so far; `differences` and `inside_band` are lines to read."""

    matched: int = 0
    missed: int = 0
    extra: int = 0
    ious: list[float] = field(default_factory=list)
    score_differences: list[float] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    inside_band: list[str] = field(default_factory=list)

    def add(self, picture: str, reference: list[RawDetection], found: list[RawDetection]) -> None:
        """One more picture. Each of dlib's faces takes the best free box of ours that shares at least half with it."""
        free = list(found)
        for face in reference:
            best = max(free, key=lambda other: iou(face, other), default=None)
            if best is None or iou(face, best) < SAME_FACE_IOU:
                self._count('missed', picture, face)
                continue
            free.remove(best)
            self.matched += 1
            self.ious.append(iou(face, best))
            self.score_differences.append(abs(face[4] - best[4]))
            if self.ious[-1] < 0.85 or self.score_differences[-1] > BAND:
                self.differences.append(f'{picture}: {_text(face)} became {_text(best)}, IoU {self.ious[-1]:.2f}')
            elif face[4] <= BAND:
                self.inside_band.append(f'{picture}: found {_text(face)}')
        for face in free:
            self._count('extra', picture, face)

    def _count(self, kind: str, picture: str, face: RawDetection):
        line = f'{picture}: {kind} {_text(face)}'
        if face[4] <= BAND:
            self.inside_band.append(line)
            return
        setattr(self, kind, getattr(self, kind) + 1)
        self.differences.append(line)

    def numbers(self) -> dict:
        return {
            'matched': self.matched,
            'missed': self.missed,
            'extra': self.extra,
            'iou_mean': round(statistics.fmean(self.ious), DECIMALS) if self.ious else None,
            'iou_min': round(min(self.ious), DECIMALS) if self.ious else None,
            'confidence_diff_max': round(max(self.score_differences), DECIMALS) if self.ious else None,
            'differences': self.differences,
            'inside_band': self.inside_band,
        }


def iou(a: RawDetection, b: RawDetection) -> float:
    """Intersection over union of two rectangles with inclusive edges."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(one[2] - one[0] + 1) * (one[3] - one[1] + 1) for one in (a, b)]
    return width * height / (sum(areas) - width * height)


class NativeAnswers:
    """dlib's own faces of a picture: from the file if it is there, else computed and kept in it."""

    def __init__(self, native: DlibCnnNative, file: str):
        self._native = native
        self._file = Path(file) if file else None
        try:
            self._kept = json.loads(self._file.read_text()) if file and self._file.exists() else {}
        except (OSError, ValueError) as error:
            raise ConfigError(f'{file} is not a file of answers: {error}; give another --native-cache') from error

    def __call__(self, name: str, rgb: np.ndarray) -> list[RawDetection]:
        key = picture_hash(rgb)
        if key not in self._kept:
            start = time.perf_counter()
            faces = self._native.detect_raw(rgb)
            milliseconds = (time.perf_counter() - start) * 1e3
            self._kept[key] = {'name': name, 'size': [*rgb.shape[1::-1]], 'faces': faces, 'ms': milliseconds}
            if self._file:
                self._file.write_text(json.dumps(self._kept))
        return [tuple(face) for face in self._kept[key]['faces']]


def speed_picture(width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8: the astronaut in the middle, three quarters of the height, edges mirrored."""
    from skimage.data import astronaut

    side = max(min(width, height) * 3 // 4, 1)
    photo = cv2.resize(astronaut(), (side, side), interpolation=cv2.INTER_AREA)
    top, left = (height - side) // 2, (width - side) // 2
    return cv2.copyMakeBorder(photo, top, height - side - top, left, width - side - left, cv2.BORDER_REFLECT)


def milliseconds(run: Callable[[], object], repeats: int, warm_up: int) -> float:
    """Median time of one run."""
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times), 2)


def main(argv: list[str] | None = None) -> int:
    """Parse, measure, print; exit status 2 and one line on stderr for bad input."""
    arguments = _parser().parse_args(argv)
    try:
        result = _bench(arguments)
    except AffectPerceptionError as error:
        print(f'bench detector: {error}', file=sys.stderr)
        return 2
    _print_table(result)
    print(json.dumps(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='affect-perception bench detector', description=__doc__.split('\n')[0])
    parser.add_argument(
        'pictures',
        nargs='*',
        default=['astronaut'],
        help='images, clips, folders, or `astronaut` (23 copies of one photo)',
    )
    parser.add_argument('--size', type=_size, default=(640, 480), help='size of the picture for the speed (640x480)')
    parser.add_argument('--every', type=_positive, default=5, help='every n-th frame of a clip counts (5)')
    parser.add_argument('--max-width', type=_positive, default=1280, help='wider pictures are scaled down, px (1280)')
    parser.add_argument('--native-cache', default='', help="file that keeps dlib's own answers from run to run")
    parser.add_argument(
        '--repeats', type=_positive, default=20, help="runs per detector; a tenth as many of dlib's CNN (20)"
    )
    parser.add_argument('--threads', type=_positive, help='CPU threads of PyTorch (its own choice)')
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


def _bench(arguments: argparse.Namespace) -> dict:
    # Threads that wait must not spin: with another program on a core, each convolution would wait for its time slice
    # (measured: 550 instead of 60 ms). Read when PyTorch is loaded, hence the late imports.
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

    answers = NativeAnswers(native, arguments.native_cache)
    parities = {name: Parity() for name in ours}
    count = 0
    for name, rgb in pictures(arguments.pictures, arguments.every, arguments.max_width):
        reference = answers(name, rgb)
        for detector_name, detector in ours.items():
            parities[detector_name].add(name, reference, detector.detect_raw(rgb))
        count += 1

    picture = speed_picture(*arguments.size)
    few = max(arguments.repeats // 10, 1)
    times = {'dlib_cnn_native': milliseconds(lambda: native.detect_raw(picture), few, warm_up=1)}
    for name, detector in ours.items():
        times[name] = milliseconds(lambda d=detector: d.detect_raw(picture), arguments.repeats, warm_up=3)
    times['dlib_hog'] = milliseconds(lambda: hog(picture), arguments.repeats, warm_up=3)
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


def _print_table(result: dict) -> None:
    width, height = result['size']
    print(f'One picture of {width}×{height}, {result["threads"]} threads:')
    native = result['ms']['dlib_cnn_native']
    for name, value in result['ms'].items():
        print(f'  {name:<16} {value:9.1f} ms  {native / value:6.1f} ×')
    print(f"Against dlib's own answers on {result['images']} pictures (band ±{BAND} around the threshold left out):")
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


def _text(face: RawDetection) -> str:
    left, top, right, bottom, score = face
    return f'({left}, {top}, {right}, {bottom}) at {score:.3f}'


if __name__ == '__main__':
    raise SystemExit(main())
