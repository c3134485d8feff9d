"""Small media files of many containers and codecs, written by PyAV: pictures with a known face, times and sound."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

av = pytest.importorskip('av', reason='needs PyAV (pip install av)')

WIDTH, HEIGHT, FPS = 320, 240, 25
FACE = (100.0, 40.0, 110.0)  # x, y and side in px of the face of `portrait`, about


@functools.cache
def _astronaut() -> np.ndarray:
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[20:260, 70:390])


def portrait(shift: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(height, width, 3) uint8 RGB: the astronaut, moved to the right by `shift` px and scaled to that size."""
    rgb = cv2.warpAffine(_astronaut(), np.float32([[1, 0, shift], [0, 1, 0]]), (WIDTH, HEIGHT), borderMode=1)
    return rgb if (width, height) == (WIDTH, HEIGHT) else cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def pictures(count: int, step: int = 1, width: int = WIDTH, height: int = HEIGHT) -> list[np.ndarray]:
    """`count` pictures of a portrait that moves by `step` px each time."""
    return [portrait(i * step, width, height) for i in range(count)]


def interlaced(rgb: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Pictures whose even rows are of one moment and whose odd rows are of the next, as a video camera of old sends."""
    woven = [frame.copy() for frame in rgb[:-1]]
    for frame, after in zip(woven, rgb[1:], strict=True):
        frame[1::2] = after[1::2]
    return woven


def write_media(
    path: Path,
    rgb: Sequence[np.ndarray],
    codec: str = 'libx264',
    pix_fmt: str = 'yuv420p',
    fps: int = FPS,
    times_s: Sequence[float] | None = None,
    aspect: Fraction | None = None,
    rotation: int = 0,
    flip: bool = False,
    options: dict[str, str] | None = None,
    sound_s: float = 0.0,
    sound_from_s: float = 0.0,
    container_format: str | None = None,
    is_interlaced: bool = False,
    container_options: dict[str, str] | None = None,
    source: str = 'rgb24',
) -> Path:
    """Write pictures at `fps`, or at `times_s`, and a tone of `sound_s` beside them; returns the path.

    `aspect` is that of a pixel; `rotation` in degrees, counter-clockwise, and `flip` go into the display matrix.
    """
    given = {'preset': 'ultrafast', 'qp': '12'} if codec == 'libx264' else {}
    given |= {'preset': 'ultrafast', 'x265-params': 'log-level=none'} if codec == 'libx265' else {}
    given |= {'flags': '+ilme+ildct', 'x264-params': 'interlaced=1:tff=1'} if is_interlaced else {}
    with av.open(str(path), 'w', format=container_format, options=container_options or {}) as container:
        track = container.add_stream(codec, rate=fps, options=given | (options or {}))
        track.height, track.width = rgb[0].shape[:2]
        track.pix_fmt = pix_fmt
        track.thread_count = 1
        if times_s is not None:
            track.codec_context.time_base = Fraction(1, 1000)
        if aspect is not None:
            track.codec_context.sample_aspect_ratio = aspect
        if rotation or flip:
            track.set_display_rotation(rotation, hflip=flip)
        sound = container.add_stream('aac' if path.suffix != '.webm' else 'libopus', rate=48000) if sound_s else None
        for i, picture in enumerate(rgb):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=source)
            frame.pts = i if times_s is None else round(times_s[i] * 1000)
            frame.time_base = Fraction(1, fps) if times_s is None else Fraction(1, 1000)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
        if sound is not None:
            _write_tone(container, sound, sound_s, sound_from_s)
    return path


def _write_tone(container, track, seconds: float, from_s: float) -> None:
    samples = np.float32(0.1 * np.sin(2 * np.pi * 440 * np.arange(int(48000 * seconds)) / 48000))[None]
    for at in range(0, samples.shape[1] - 959, 960):
        frame = av.AudioFrame.from_ndarray(samples[:, at : at + 960], format='flt', layout='mono')
        frame.sample_rate, frame.pts = 48000, at + round(from_s * 48000)
        frame.time_base = Fraction(1, 48000)
        container.mux(track.encode(frame))
    container.mux(track.encode(None))
