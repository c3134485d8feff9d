"""Folders of images as a source: order, stamps, bad files."""

import itertools
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders.images import BadInputList, jpeg, opened, plain, write_image

from affect_perception.errors import ConfigError
from affect_perception.sources.folder import natural_sort_key


def test_folder_plays_in_natural_order_with_the_name_of_each_frame(tmp_path):
    for name, shade in (('img10.png', 100), ('img2.png', 20), ('img1.PNG', 10)):
        write_image(tmp_path / name, plain(shade))
    (tmp_path / 'notes.txt').write_text('no picture')
    source = opened(tmp_path, fps=10.0)
    frames = list(source)
    assert not source.live
    assert source.fps == 10.0
    assert [frame.stamp_ns for frame in frames] == [0, 100_000_000, 200_000_000]
    assert [frame.rgb[0, 0, 0] for frame in frames] == [10, 20, 100]
    assert [source.file_of(frame.stamp_ns) for frame in frames] == ['img1.PNG', 'img2.png', 'img10.png']
    assert source.files == ('img1.PNG', 'img2.png', 'img10.png')


def test_bad_images_of_a_folder_are_reported_and_the_others_keep_their_names(tmp_path):
    write_image(tmp_path / '1.png', plain(10))
    (tmp_path / '2.jpg').write_bytes(b'hello')
    (tmp_path / '3.jpg').write_bytes(jpeg(plain(30, 200, 200))[:-200])
    write_image(tmp_path / '4.png', np.zeros((20, 16400, 3), np.uint8))
    write_image(tmp_path / '5.png', plain(50, 1, 1))
    write_image(tmp_path / '6.png', plain(60, 100, 30))
    bad = BadInputList()
    source = opened(tmp_path, bad)
    frames = list(source)
    assert bad.kinds == ['compressed', 'compressed', 'size', 'size']
    assert '4.png' in str(bad[2])
    assert '16400x20' in str(bad[2])
    assert [(source.file_of(f.stamp_ns), f.width, f.height) for f in frames] == [('1.png', 64, 48), ('6.png', 100, 30)]


def test_exif_orientation_is_applied(tmp_path):
    tag = b'Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'  # orientation 6
    data = jpeg(plain(10, 64, 48))
    (tmp_path / 'a.jpg').write_bytes(data[:2] + b'\xff\xe1' + (len(tag) + 2).to_bytes(2, 'big') + tag + data[2:])
    (frame,) = opened(tmp_path)
    assert (frame.width, frame.height) == (48, 64)


def test_single_image_is_one_frame(tmp_path):
    write_image(tmp_path / 'one.png', plain(70))
    source = opened(tmp_path / 'one.png')
    (frame,) = source
    assert source.file_of(frame.stamp_ns) == 'one.png'
    assert frame.rgb[0, 0, 0] == 70


def test_folder_that_loops_goes_on_in_time(tmp_path):
    for i in range(2):
        write_image(tmp_path / f'{i}.png', plain(i))
    source = opened(tmp_path, loop=True, fps=10.0)
    frames = list(itertools.islice(source, 5))
    assert [f.stamp_ns // 100_000_000 for f in frames] == [0, 1, 2, 3, 4]
    assert [source.file_of(f.stamp_ns) for f in frames] == ['0.png', '1.png', '0.png', '1.png', '0.png']


def test_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='no images in folder'):
        opened(tmp_path)


def test_names_with_odd_digits_have_an_order():
    names = ['10.jpg', '\u00b21.jpg', '2.jpg', '7' * 5000 + '.jpg', '\u0663.jpg']
    assert sorted(names, key=natural_sort_key)[:2] == ['2.jpg', '10.jpg']


# ---- folders as people have them -----------------------------------------------------------------------------------


def write_mixed(folder: Path) -> None:
    """Images of many kinds and names beside files that are none."""
    rgb = plain(100, 200, 160)
    (folder / 'photo').write_bytes(jpeg(rgb))
    (folder / '1.JPG').write_bytes(jpeg(rgb))
    (folder / 'really a png.jpg').write_bytes(cv2.imencode('.png', rgb[..., ::-1])[1].tobytes())
    Path(os.fsdecode(os.fsencode(folder) + b'/Andr\xe9.jpg')).write_bytes(jpeg(rgb))
    for name, bits in (('deep10.png', 10), ('deep12.png', 12), ('deep16.tif', 16)):
        cv2.imwrite(str(folder / name), rgb[..., ::-1].astype(np.uint16) << (bits - 8))
    (folder / '._1.JPG').write_bytes(b'\0\5\x16\7' + bytes(100))
    (folder / 'notes.txt').write_text('words')
    (folder / 'archive.bin').write_bytes(b'PK\3\4' + bytes(300))
    (folder / 'empty.jpg').write_bytes(b'')
    (folder / 'short.jpg').write_bytes(jpeg(rgb)[:400])
    (folder / 'thumbs').mkdir()


def test_every_file_of_a_folder_is_read_or_named_with_the_reason(tmp_path):
    write_mixed(tmp_path)
    bad = BadInputList()
    source = opened(tmp_path, bad)
    frames = list(source)
    statuses = {row.file: (row.status, row.reason) for row in source.file_statuses}
    read = {name for name, (status, _) in statuses.items() if status == 'read'}
    assert read == {
        'photo', '1.JPG', 'really a png.jpg', 'Andr\xe9.jpg', 'deep10.png', 'deep12.png', 'deep16.tif',
    }  # fmt: skip
    assert len(frames) == len(read)
    assert all(abs(int(frame.rgb[5, 5, 0]) - 100) < 4 for frame in frames), 'also those of 10, 12 and 16 bits'
    assert {name: status for name, (status, _) in statuses.items() if status != 'read'} == {
        '._1.JPG': 'left out', 'notes.txt': 'left out', 'archive.bin': 'left out', 'empty.jpg': 'left out',
        'short.jpg': 'failed', 'thumbs': 'left out',
    }  # fmt: skip
    assert all(reason for status, reason in statuses.values() if status != 'read')


def test_avif_is_read(tmp_path):
    features = pytest.importorskip('PIL.features', reason='needs Pillow')
    if not features.check('avif'):
        pytest.skip('this Pillow reads no AVIF')
    from PIL import Image

    Image.fromarray(plain(100, 200, 160)).save(tmp_path / 'photo.avif')
    (frame,) = opened(tmp_path)
    assert (frame.width, frame.height) == (200, 160)
    assert abs(int(frame.rgb[50, 50, 0]) - 100) < 6


def test_photo_of_50_megapixels_is_halved_while_decoding(tmp_path):
    (tmp_path / 'photo.jpg').write_bytes(jpeg(np.broadcast_to(np.uint8([90, 120, 30]), (6144, 8192, 3))))
    (frame,) = opened(tmp_path / 'photo.jpg')
    assert (frame.width, frame.height) == (4096, 3072)
    assert abs(int(frame.rgb[100, 100, 1]) - 120) < 4
