"""JPEG decoding that tells damage, by libjpeg-turbo (simplejpeg); the pixels equal those of cv2.imdecode.

OpenCV decodes a JPEG that is cut off to an image whose rest is grey, and writes a line to stderr: an image in which
people are missing would be taken for one without people.
"""

from __future__ import annotations

import re

import numpy as np
import simplejpeg

from affect_perception.errors import BadInputError

# Warnings of libjpeg that cost no pixel: cameras write bytes after the scan. After all others parts are made up.
_HARMLESS = re.compile(
    'extraneous bytes|Unknown Adobe color|unknown JFIF|Inconsistent progression|Invalid SOS parameters'
)
_QUICK = 8  # reduction at which only the compressed data are read


def decode_jpeg(data: bytes, named: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a JPEG, not rotated. Raises BadInputError `compressed` for damaged data."""
    return _decoded(data, named, 'RGB', 1)


def check_jpeg_data(data: bytes, named: str) -> None:
    """Raise BadInputError `compressed` for a JPEG whose compressed data are cut off or damaged."""
    _decoded(data, named, 'GRAY', _QUICK)


def _decoded(data: bytes, named: str, colours: str, factor: int) -> np.ndarray:
    try:
        try:
            pixels: np.ndarray = simplejpeg.decode_jpeg(data, colours, min_factor=factor)
        except ValueError as error:
            if not _HARMLESS.search(str(error)):
                raise
            pixels = simplejpeg.decode_jpeg(data, colours, min_factor=factor, strict=False)
    except (ValueError, MemoryError) as error:
        raise BadInputError('compressed', f'{named} is damaged or cut off: {str(error)[:100]}') from None
    return pixels
