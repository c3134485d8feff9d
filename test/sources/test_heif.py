"""HEIC and AVIF photos: all tiles, upright, large ones reduced; refused by name where no decoder is installed."""

import numpy as np
import pytest
from builders.heif import heic
from builders.images import BadInputList, opened
from builders.media import portrait

from affect_perception.core.images import heif
from affect_perception.core.images.heif import decode_heif
from affect_perception.errors import BadInputError, ConfigError

needs_heif = pytest.mark.skipif(not heif._has_heif(), reason='needs pi-heif (pip install affect-perception[heif])')


def difference(rgb: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(rgb.astype(int) - expected).mean()) if rgb.shape == expected.shape else np.inf


@needs_heif
@pytest.mark.parametrize(('tile', 'turns'), [(0, 0), (0, 1), (128, 0), (128, 3)])
def test_heic_is_read_at_full_size_upright_and_with_all_its_tiles(tmp_path, tile, turns):
    upright = portrait(0, 640, 480)
    (tmp_path / 'photo.HEIC').write_bytes(heic(np.rot90(upright, -turns), tile, turns))
    (frame,) = opened(tmp_path / 'photo.HEIC')
    assert (frame.width, frame.height) == (640, 480)
    assert difference(frame.rgb, upright) < 4


@needs_heif
def test_heic_of_50_megapixels_in_tiles_of_512_is_reduced(tmp_path):
    import struct

    from builders.heif import _file, box, full_box, hevc_picture  # one tile many times: encoding takes long

    configuration, picture = hevc_picture(np.full((512, 512, 3), (90, 120, 30), np.uint8))
    items = [(i + 1, b'hvc1', picture) for i in range(16 * 12)]
    items.append((193, b'grid', struct.pack('>BBBBHH', 0, 0, 11, 15, 8192, 6144)))
    references = full_box(b'iref', box(b'dimg', struct.pack('>HH', 193, 192) + struct.pack('>192H', *range(1, 193))))
    sizes = [full_box(b'ispe', struct.pack('>II', *size)) for size in ((512, 512), (8192, 6144))]
    (tmp_path / 'photo.heic').write_bytes(_file(items, 193, [configuration, *sizes, box(b'irot', b'\0')], references))
    (frame,) = opened(tmp_path / 'photo.heic')
    assert (frame.width, frame.height) == (4096, 3072)
    assert np.abs(frame.rgb[::97, ::97].astype(int) - (90, 120, 30)).mean() < 4


@needs_heif
def test_damaged_heic_is_named_and_the_others_are_read(tmp_path):
    data = heic(portrait(0, 320, 240))
    (tmp_path / 'a.heic').write_bytes(data)
    (tmp_path / 'b.heic').write_bytes(data[: len(data) // 2])
    bad = BadInputList()
    source = opened(tmp_path, bad)
    assert len(list(source)) == 1
    assert [status.status for status in source.file_statuses] == ['read', 'failed']
    assert 'b.heic' in str(bad[0])


def test_heic_without_its_decoder_is_refused_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(heif, '_has_heif', lambda: False)
    (tmp_path / 'photo.heic').write_bytes(heic(portrait()))
    with pytest.raises(ConfigError, match=r'needs pi-heif \(pip install affect-perception\[heif\]\)'):
        opened(tmp_path / 'photo.heic')


def test_avif_is_read_at_full_size_and_upright(tmp_path):
    features = pytest.importorskip('PIL.features', reason='needs Pillow')
    if not features.check('avif'):
        pytest.skip('this Pillow reads no AVIF')
    from PIL import Image

    upright = portrait(0, 640, 480)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(tmp_path / 'photo.avif', quality=90, exif=exif)
    (frame,) = opened(tmp_path / 'photo.avif')
    assert difference(frame.rgb, upright) < 6


def test_photo_of_more_pixels_than_are_reduced_is_refused_by_its_header():
    with pytest.raises(BadInputError):
        decode_heif(b'\0\0\0\x18ftypheic' + bytes(40))
