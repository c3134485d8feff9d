"""Builder of clips with pictures and sound, by PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np


def write_clip(path: Path, frames: Iterable[np.ndarray], fps: int, samples: np.ndarray, rate: int = 16_000) -> str:
    """Write pictures (H, W, 3) uint8 and mono samples (N,) in [-1, 1] to a .mkv, with lossless sound; its path.

    The sound may be shorter.
    """
    import av

    with av.open(str(path), 'w') as out:
        pictures = out.add_stream('mpeg4', rate=fps)
        pictures.bit_rate = 4_000_000
        sound = out.add_stream('pcm_s16le', rate=rate)
        sound.layout = 'mono'
        pcm = np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16)
        step = rate // fps
        for index, rgb in enumerate(frames):
            if index == 0:  # before the codec opens
                pictures.width, pictures.height = rgb.shape[1], rgb.shape[0]
            picture = av.VideoFrame.from_ndarray(rgb, 'rgb24')
            picture.pts = index
            out.mux(pictures.encode(picture))
            if index * step >= len(pcm):
                continue
            block = av.AudioFrame.from_ndarray(pcm[None, index * step : (index + 1) * step], 's16', 'mono')
            block.sample_rate, block.pts, block.time_base = rate, index * step, Fraction(1, rate)
            out.mux(sound.encode(block))
        out.mux(pictures.encode())
        out.mux(sound.encode())
    return str(path)
