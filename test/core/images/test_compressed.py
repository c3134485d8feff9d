"""Compressed images: decoding, refusal of damaged ones, and JPEG streams."""

import array
import subprocess
import sys

import cv2
import numpy as np
import pytest
from builders.smooth_images import HEIGHT, WIDTH, grey_of, smooth_image

from affect_perception.core.images.compressed import decode_compressed
from affect_perception.core.images.image_headers import read_header
from affect_perception.core.images.jpeg_stream import JpegSplitter, jpeg_end
from affect_perception.errors import BadInputError


def file_of(suffix: str, rgb: np.ndarray) -> bytes:
    return cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


@pytest.mark.parametrize(
    ('suffix', 'image_format', 'off'), [('.jpg', 'rgb8; jpeg compressed bgr8', 8), ('.png', 'png', 0)]
)
def test_compressed_picture_is_decoded(suffix, image_format, off):
    rgb = smooth_image()
    result = decode_compressed(array.array('B', file_of(suffix, rgb)), image_format)
    assert np.abs(result.astype(int) - rgb).max() <= off


def test_size_of_a_file_is_known_before_it_is_decoded():
    for suffix in ('.jpg', '.png', '.bmp', '.tiff', '.webp', '.ppm'):
        assert read_header(file_of(suffix, smooth_image())).size == (WIDTH, HEIGHT)


def test_grey_and_16_bit_pictures_become_rgb():
    grey = grey_of(smooth_image())
    for picture in (grey, grey.astype(np.uint16) * 257):
        result = decode_compressed(cv2.imencode('.png', picture)[1].tobytes(), 'png')
        assert result.shape == (HEIGHT, WIDTH, 3)
        assert np.abs(result[..., 0].astype(int) - grey).max() <= 1


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('share', [0.0, 0.02, 0.5, 0.98])
def test_picture_that_is_cut_off_is_refused(suffix, share):
    data = file_of(suffix, smooth_image(200, 200))
    with pytest.raises(BadInputError) as caught:
        decode_compressed(data[: int(len(data) * share)], suffix[1:])
    assert caught.value.kind == 'compressed'


@pytest.mark.parametrize('data', [b'', b'hello', bytes(100), b'\xff\xd8\xff', b'\xff\xd8\xff\xe0\x00\x00\xff\xd9'])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(BadInputError) as caught:
        decode_compressed(data, 'jpeg')
    assert caught.value.kind == 'compressed'


@pytest.mark.parametrize(('form', 'data'), [('png', b''), ('png', bytes(200)), ('rvl', bytes(200)), ('', bytes(12))])
def test_compressed_depth_without_a_png_is_refused(form, data):
    with pytest.raises(BadInputError, match='depth'):
        decode_compressed(data, f'16UC1; compressedDepth {form}')


def test_huge_picture_is_refused_before_it_is_decoded():
    data = bytearray(file_of('.png', smooth_image()))
    data[16:24] = (8000).to_bytes(4, 'big') + (6000).to_bytes(4, 'big')
    with pytest.raises(BadInputError, match='8000x6000 is too large') as caught:
        decode_compressed(bytes(data), 'png')
    assert caught.value.kind == 'size'


def test_stream_is_cut_into_its_pictures_wherever_the_pieces_end():
    pictures = [file_of('.jpg', smooth_image(64 + 16 * i, 48)) for i in range(3)]
    stream = b'--frame\r\nContent-Type: image/jpeg\r\n\r\n' + b'\r\n--frame\r\n\r\n'.join(pictures)
    for piece in (1, 7, 1000, len(stream)):
        splitter = JpegSplitter()
        found = [p for at in range(0, len(stream), piece) for p in splitter.feed(stream[at : at + piece])]
        assert found == pictures


def test_thumbnail_inside_a_jpeg_does_not_end_it():
    thumbnail, picture = file_of('.jpg', smooth_image(16, 16)), file_of('.jpg', smooth_image())
    inner = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    whole = picture[:2] + inner + picture[2:]
    assert jpeg_end(whole) == len(whole)
    assert JpegSplitter().feed(whole + b'x') == [whole]


def test_damage_in_a_stream_costs_one_picture():
    picture = file_of('.jpg', smooth_image())
    found = JpegSplitter().feed(b'\xff\xd8\xff\xe0\x00\x01junk' + picture + picture)
    assert found[-1] == picture


def test_half_a_jpeg_with_an_end_is_refused_and_not_taken_for_a_grey_half():
    data = file_of('.jpg', smooth_image(200, 200))
    for progressive in (0, 1):
        options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
        data = cv2.imencode('.jpg', smooth_image(200, 200), options)[1].tobytes()
        for share in (0.5, 0.9):
            with pytest.raises(BadInputError, match='damaged or cut off') as caught:
                decode_compressed(data[: int(len(data) * share)] + b'\xff\xd9', 'jpeg')
            assert caught.value.kind == 'compressed'


def with_exif(jpeg: bytes, orientation: int) -> bytes:
    tags = b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01' + bytes((0, orientation, 0, 0)) + bytes(4)
    return jpeg[:2] + b'\xff\xe1' + (len(tags) + 2).to_bytes(2, 'big') + tags + jpeg[2:]


def test_half_a_jpeg_that_is_rotated_is_refused_and_a_whole_one_is_turned():
    rgb = smooth_image()
    data = with_exif(file_of('.jpg', rgb), 6)
    assert decode_compressed(data).shape == (WIDTH, HEIGHT, 3)
    with pytest.raises(BadInputError, match='damaged or cut off'):
        decode_compressed(data[: len(data) * 2 // 3] + b'\xff\xd9')


def test_bytes_that_a_camera_writes_after_the_scan_do_no_harm():
    data = file_of('.jpg', smooth_image())
    padded = decode_compressed(data[:-2] + bytes(300) + data[-2:])
    assert np.array_equal(padded, decode_compressed(data))


@pytest.mark.parametrize('sampling', [0x111111, 0x211111, 0x221111, 0x411111])
@pytest.mark.parametrize('progressive', [0, 1])
def test_pixels_of_a_jpeg_are_those_of_opencv(sampling, progressive):
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    for picture in (smooth_image(203, 101), grey_of(smooth_image(203, 101))):
        data = cv2.imencode('.jpg', picture, options)[1]
        assert np.array_equal(decode_compressed(data.tobytes()), cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def test_a_png_with_a_wrong_checksum_is_refused():
    data = bytearray(file_of('.png', smooth_image(200, 200)))
    data[len(data) // 2] ^= 255
    with pytest.raises(BadInputError, match='damaged'):
        decode_compressed(bytes(data), 'png')


DAMAGED = """
import cv2, numpy as np, sys
from affect_perception.core.images.compressed import FILES, decode_compressed
from affect_perception.errors import BadInputError
rgb = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
for suffix in ('.jpg', '.png', '.bmp', '.tiff', '.webp', '.ppm'):
    data = cv2.imencode(suffix, rgb)[1].tobytes()
    middle = len(data) // 2
    for bad in (data[:middle], data[:middle] + b'\\xff\\xd9', data[:middle] + bytes(60) + data[middle + 60:]):
        try:
            decode_compressed(bad, accepted=FILES)
        except BadInputError:
            pass
"""


def test_libraries_write_nothing_to_stderr_about_damaged_images():
    child = subprocess.run([sys.executable, '-c', DAMAGED], capture_output=True, text=True, timeout=200, check=True)
    assert child.stderr == ''
