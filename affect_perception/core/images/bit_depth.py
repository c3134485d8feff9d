"""Values of 16 bits to 8 bits: the one rule for raw messages, image files and videos, live and offline."""

from __future__ import annotations

import numpy as np

_DEPTHS = (8, 10, 12, 14, 16)  # bits of the sensors that fill 16-bit values


def deep_to_eight_bits(values: np.ndarray) -> np.ndarray:
    """Bring 16-bit values of any shape to 8 bits.

    How many of the 16 bits a sensor fills is declared nowhere: the smallest of 8, 10, 12, 14 and 16 that holds the
    brightest value of the image is taken, and the values are divided by 1, 4, 16, 64 or 256.
    """
    brightest = int(values.max()) if values.size else 0
    bits = next(b for b in _DEPTHS if brightest < 2**b)
    return (values >> (bits - 8)).astype(np.uint8)
