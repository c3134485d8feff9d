"""HEIC and AVIF photos: HEIC by the optional package pi-heif, AVIF by Pillow."""

from __future__ import annotations

import functools
import importlib
import io

import numpy as np

from affect_perception.core.images.compressed import check_photo_size, reduced
from affect_perception.errors import BadInputError

_AVIF = (b'avif', b'avis')


def decode_heif(data: bytes) -> np.ndarray:
    """Decode a HEIC or AVIF file in memory to (H, W, 3) uint8 RGB, upright, all tiles of it; large ones are reduced.

    Raises BadInputError `compressed` or `size`, also where the package that decodes it is not installed.
    """
    name = 'an AVIF' if data[8:12] in _AVIF else 'a HEIC'
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise BadInputError('compressed', f'{name} image needs Pillow (pip install Pillow)') from None
    if data[8:12] not in _AVIF and not _has_heif():
        text = f'{name} image needs pi-heif (pip install affect-perception[heif])'
        raise BadInputError('compressed', text)
    try:
        with Image.open(io.BytesIO(data)) as image:
            check_photo_size(*image.size)
            upright = ImageOps.exif_transpose(image)
            return reduced(np.asarray(upright.convert('RGB')))
    except BadInputError:
        raise
    except Exception as error:  # noqa: BLE001  # damaged bytes raise any error of the decoders
        text = f'{name} image of {len(data)} bytes cannot be decoded: {" ".join(str(error).split())[:200]}'
        raise BadInputError('compressed', text) from None


@functools.cache
def _has_heif() -> bool:
    """Register the HEIC decoder at Pillow; False without one."""
    for package in ('pi_heif', 'pillow_heif'):
        try:
            importlib.import_module(package).register_heif_opener()
        except ImportError:
            continue
        return True
    return False
