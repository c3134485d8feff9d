"""Folders of images as a source: order, stamps, bad files."""

import itertools

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
