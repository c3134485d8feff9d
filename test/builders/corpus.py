"""The corpus of media as people have them: a builder per file, and what must be read from it.

Pictures are of one portrait, so a file that is read right shows one face in every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from builders.media import FPS, interlaced, pictures, write_media


@dataclass(frozen=True)
class Clip:
    """A video file: its builder, and the times in s and the size of its frames; `report` is part of what is said."""

    write: Callable[[Path], object]
    times_s: Sequence[float] = tuple(i / FPS for i in range(8))
    size: tuple[int, int] = (320, 240)
    report: str = ''
    shift: int = 0  # px, of the portrait in the first frame
    tolerance: float = 6.0  # mean difference of the first frame from the portrait, grey values


def clip(**options) -> Callable[[Path], object]:
    """Builder of a clip of eight pictures of a moving portrait; options of `write_media`."""
    rgb = options.pop('rgb', None)
    return lambda path: write_media(path, pictures(8) if rgb is None else rgb(), **options)


def renamed(suffix: str, **options) -> Callable[[Path], object]:
    """Builder of a clip in the container of `suffix`, under the name that is given."""

    def write(path: Path) -> None:
        write_media(path.with_name('real' + suffix), pictures(8), **options).rename(path)

    return write


def in_a_thread(write: Callable[[Path], object]) -> Callable[[Path], object]:
    """The builder `write`, run in a thread of its own.

    SVT-AV1 of a privileged user gives the thread that opens it, and so all that start from there, SCHED_FIFO 99. Tests
    that poll at that priority starve the whole machine.
    """

    def write_apart(path: Path) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(write, path).result()

    return write_apart


def cut_off(share: float, **options) -> Callable[[Path], object]:
    """Builder of a clip of which only the first part, `share` of its bytes, is there."""

    def write(path: Path) -> None:
        rng = np.random.default_rng(0)
        write_media(path, [rng.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(30)], **options)
        data = path.read_bytes()
        path.write_bytes(data[: round(len(data) * share)])

    return write


VARIABLE = (0.0, 0.04, 0.1, 0.3, 0.34, 0.5, 0.9, 1.0)
LATE = tuple(1.5 + i / FPS for i in range(8))


def turned(angle: int) -> Callable[[], list]:
    """Pictures stored as a phone held sideways stores them: a display matrix of `angle` turns them upright."""
    return lambda: [np.rot90(rgb, -angle // 90) for rgb in pictures(8)]


MPEG = {'flags': '+ilme+ildct'}

CLIPS: dict[str, Clip] = {
    'h264.mp4': Clip(clip()),
    'h264.mkv': Clip(clip()),
    'h264.mov': Clip(clip()),
    'h264.ts': Clip(clip()),
    'h264.flv': Clip(clip()),
    'h264.avi': Clip(clip()),
    'b_frames.mp4': Clip(clip(options={'preset': 'fast'})),
    'hevc_10_bit.mp4': Clip(clip(codec='libx265', pix_fmt='yuv420p10le')),
    'h264_10_bit.mkv': Clip(clip(pix_fmt='yuv420p10le')),
    'h264_444.mp4': Clip(clip(pix_fmt='yuv444p')),
    'vp8.webm': Clip(clip(codec='libvpx')),
    'vp9.webm': Clip(clip(codec='libvpx-vp9')),
    'av1.mkv': Clip(
        in_a_thread(clip(codec='libsvtav1', options={'preset': '12', 'svtav1-params': 'lp=1'})), tolerance=9.0
    ),
    'mpeg1.mpg': Clip(clip(codec='mpeg1video')),
    'mpeg2.mpg': Clip(clip(codec='mpeg2video')),
    'mpeg2.ts': Clip(clip(codec='mpeg2video')),
    'hevc.mkv': Clip(clip(codec='libx265')),
    'h264.m4v': Clip(clip()),
    'mjpeg.mov': Clip(clip(codec='mjpeg', pix_fmt='yuvj420p')),
    'huffyuv.avi': Clip(clip(codec='huffyuv', pix_fmt='yuv422p')),
    'h263.3gp': Clip(
        clip(rgb=lambda: pictures(8, width=352, height=288), codec='h263'), size=(384, 288)
    ),  # its pixels are 12:11
    'mpeg4.mp4': Clip(clip(codec='mpeg4')),
    'mjpeg.avi': Clip(clip(codec='mjpeg', pix_fmt='yuvj420p')),
    'prores.mov': Clip(clip(codec='prores_ks', pix_fmt='yuv422p10le')),
    'wmv2.wmv': Clip(clip(codec='wmv2')),
    'ffv1.mkv': Clip(clip(codec='ffv1')),
    'alpha.mov': Clip(clip(codec='png', pix_fmt='rgba')),
    'animation.gif': Clip(clip(codec='gif', pix_fmt='rgb8'), tolerance=30.0),
    'animation.png': Clip(clip(codec='apng', pix_fmt='rgba', container_format='apng')),
    'variable.mp4': Clip(clip(times_s=VARIABLE), VARIABLE),
    'variable.mkv': Clip(clip(times_s=VARIABLE), VARIABLE),
    'one_per_second.mp4': Clip(clip(fps=1), tuple(range(8))),
    'late_picture.mp4': Clip(clip(times_s=LATE, sound_s=2.0), LATE),
    'late_picture.mkv': Clip(clip(times_s=LATE, sound_s=2.0), LATE),
    'late_picture.ts': Clip(clip(times_s=LATE, sound_s=2.0), LATE),
    'late_picture.webm': Clip(clip(codec='libvpx', times_s=LATE, sound_s=2.0), LATE),
    'late_sound.mp4': Clip(clip(sound_s=1.0, sound_from_s=0.5)),
    'longer_sound.mp4': Clip(clip(sound_s=4.0)),
    'longer_sound.mkv': Clip(clip(sound_s=4.0)),
    'longer_sound.ts': Clip(clip(sound_s=4.0)),
    'interlaced_h264.mp4': Clip(clip(rgb=lambda: interlaced(pictures(9, 3)), is_interlaced=True), shift=3),
    'interlaced_mpeg2.mpg': Clip(
        clip(rgb=lambda: interlaced(pictures(9, 3)), codec='mpeg2video', options=MPEG), shift=3
    ),
    'dv.dv': Clip(clip(rgb=lambda: pictures(8, width=720, height=576), codec='dvvideo'), size=(768, 576)),
    'dv.avi': Clip(clip(rgb=lambda: pictures(8, width=720, height=576), codec='dvvideo'), size=(768, 576)),
    'wide_pixels.mp4': Clip(clip(rgb=lambda: pictures(8, width=240), aspect=Fraction(4, 3))),
    'wide_pixels.mkv': Clip(clip(rgb=lambda: pictures(8, width=240), aspect=Fraction(4, 3))),
    'wide_pixels.mpg': Clip(
        clip(rgb=lambda: pictures(8, width=480, height=480), codec='mpeg2video', aspect=Fraction(4, 3)), size=(640, 480)
    ),
    'narrow_pixels.mp4': Clip(clip(rgb=lambda: pictures(8, width=480), aspect=Fraction(2, 3))),
    'turned_90.mp4': Clip(clip(rgb=turned(90), rotation=90)),
    'turned_270.mov': Clip(clip(rgb=turned(-90), rotation=-90)),
    'turned_180.mp4': Clip(clip(rgb=turned(180), rotation=180)),
    'mirrored.mp4': Clip(clip(rgb=lambda: [p[:, ::-1] for p in pictures(8)], flip=True)),
    'turned_wide_pixels.mp4': Clip(
        clip(rgb=lambda: [np.rot90(p, -1) for p in pictures(8, height=180)], rotation=90, aspect=Fraction(4, 3))
    ),
    'no_suffix': Clip(renamed('.mp4')),
    'wrong_suffix.jpg': Clip(renamed('.mkv')),
    'unknown.footage': Clip(renamed('.webm', codec='libvpx')),
    'http: a name, 100%d.mp4': Clip(renamed('.mp4')),
    'grey_12_bit.mkv': Clip(
        lambda path: write_media(path, grey_12_bit(), codec='ffv1', pix_fmt='gray16le', source='gray16le'),
        tolerance=40.0,  # the portrait is in colour
    ),
    'cut_off.mp4': Clip(cut_off(0.6, container_options={'movflags': 'faststart'}), (), report='ends after'),
    'cut_off.avi': Clip(cut_off(0.5, codec='mjpeg', pix_fmt='yuvj420p'), (), report='ends after'),
    'cut_off.mkv': Clip(cut_off(0.5), (), report='ends after'),
}


def grey_12_bit() -> list[np.ndarray]:
    """Pictures (H, W) uint16 of a sensor of 12 bits."""
    return [p[..., 1].astype(np.uint16) * 16 for p in pictures(8)]
