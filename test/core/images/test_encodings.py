"""Every encoding against a known picture, built by hand from a smooth colour picture."""

import array
from collections.abc import Callable

import numpy as np
import pytest
from builders.smooth_images import HEIGHT, WIDTH, grey_of, smooth_image

from affect_perception.core.images.encodings import ENCODINGS, to_rgb
from affect_perception.errors import BadInputError


def yuv_of(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BT.601 with limited range (ITU-R BT.601, 8 bit), each (H, W) uint8."""
    r, g, b = np.moveaxis(rgb / 255, -1, 0)
    y = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    u = 128 - 37.797 * r - 74.203 * g + 112.0 * b
    v = 128 + 112.0 * r - 93.786 * g - 18.214 * b
    return tuple(np.uint8(plane + 0.5) for plane in (y, u, v))


def packed_422(rgb: np.ndarray, order: str) -> np.ndarray:
    y, u, v = yuv_of(rgb)
    parts = {'y': y[:, 0::2], 'u': u[:, 0::2], 'v': v[:, 0::2], 'z': y[:, 1::2]}  # z: the second brightness of a pair
    return np.stack([parts[letter] for letter in order], -1).reshape(rgb.shape[0], -1)


def nv(rgb: np.ndarray, order: tuple[int, int]) -> np.ndarray:
    y, *chroma = yuv_of(rgb)
    quarter = [chroma[i][::2, ::2] for i in order]
    return np.vstack([y, np.stack(quarter, -1).reshape(rgb.shape[0] // 2, -1)])


def mosaic(rgb: np.ndarray, pattern: str) -> np.ndarray:
    """Values of a sensor whose first two rows begin with `pattern`, such as rg gb."""
    result = np.empty(rgb.shape[:2], np.uint8)
    for i, letter in enumerate(pattern):
        result[i // 2 :: 2, i % 2 :: 2] = rgb[i // 2 :: 2, i % 2 :: 2, 'rgb'.index(letter)]
    return result


def with_alpha(picture: np.ndarray) -> np.ndarray:
    return np.dstack([picture, np.full(picture.shape[:2], 7, np.uint8)])


def sixteen(rgb: np.ndarray, factor: int) -> np.ndarray:
    return (grey_of(rgb).astype('<u2') * factor).view(np.uint8)


def deep(values: np.ndarray) -> np.ndarray:
    """Values of 8 bits as a sensor of 12 bits sends them, in 16."""
    return (values.astype('<u2') * 16).view(np.uint8)


ENCODE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'rgb8': lambda rgb: rgb,
    'bgr8': lambda rgb: rgb[..., ::-1],
    '8UC3': lambda rgb: rgb[..., ::-1],
    'rgba8': with_alpha,
    'bgra8': lambda rgb: with_alpha(rgb[..., ::-1]),
    '8UC4': lambda rgb: with_alpha(rgb[..., ::-1]),
    'mono8': grey_of,
    '8UC1': grey_of,
    'mono16': lambda rgb: sixteen(rgb, 257),
    '16UC1': lambda rgb: sixteen(rgb, 16),  # a sensor of 12 bits
    'rgb16': deep,
    'bgr16': lambda rgb: deep(rgb[..., ::-1]),
    '16UC3': lambda rgb: deep(rgb[..., ::-1]),
    'rgba16': lambda rgb: deep(with_alpha(rgb)),
    'bgra16': lambda rgb: deep(with_alpha(rgb[..., ::-1])),
    '16UC4': lambda rgb: deep(with_alpha(rgb[..., ::-1])),
    'yuv422': lambda rgb: packed_422(rgb, 'uyvz'),
    'uyvy': lambda rgb: packed_422(rgb, 'uyvz'),
    'yuv422_yuy2': lambda rgb: packed_422(rgb, 'yuzv'),
    'yuyv': lambda rgb: packed_422(rgb, 'yuzv'),
    'nv12': lambda rgb: nv(rgb, (0, 1)),
    'nv21': lambda rgb: nv(rgb, (1, 0)),
    'bayer_rggb8': lambda rgb: mosaic(rgb, 'rggb'),
    'bayer_bggr8': lambda rgb: mosaic(rgb, 'bggr'),
    'bayer_gbrg8': lambda rgb: mosaic(rgb, 'gbrg'),
    'bayer_grbg8': lambda rgb: mosaic(rgb, 'grbg'),
    'bayer_rggb16': lambda rgb: deep(mosaic(rgb, 'rggb')),
    'bayer_bggr16': lambda rgb: deep(mosaic(rgb, 'bggr')),
    'bayer_gbrg16': lambda rgb: deep(mosaic(rgb, 'gbrg')),
    'bayer_grbg16': lambda rgb: deep(mosaic(rgb, 'grbg')),
}
GREY = ('mono8', '8UC1', 'mono16', '16UC1')
EXACT = ('rgb8', 'bgr8', '8UC3', 'rgba8', 'bgra8', '8UC4', *GREY)
EXACT += ('rgb16', 'bgr16', '16UC3', 'rgba16', 'bgra16', '16UC4')


def test_every_encoding_has_a_picture_here():
    assert set(ENCODE) == set(ENCODINGS)


@pytest.mark.parametrize('padding', [0, 12])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_known_picture_comes_out_of_every_encoding(encoding, padding):
    rgb = smooth_image()
    encoded = ENCODE[encoding](rgb)
    rows = np.ascontiguousarray(encoded).reshape(encoded.shape[0], -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    result = to_rgb(padded.tobytes(), WIDTH, HEIGHT, padded.shape[1], encoding)
    expected = np.dstack([grey_of(rgb)] * 3) if encoding in GREY else rgb
    assert result.shape == (HEIGHT, WIDTH, 3)
    assert result.dtype == np.uint8
    difference = np.abs(result.astype(int) - expected)
    assert difference.max() <= (0 if encoding in EXACT else 8), f'{encoding}: up to {difference.max()} off'
    assert difference.mean() <= 3


@pytest.mark.parametrize('encoding', [e for e in ENCODINGS if e.startswith('bayer')])
def test_bayer_pattern_is_that_of_ros(encoding):
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[:] = (200, 60, 20)
    data = ENCODE[encoding](red)
    result = to_rgb(data.tobytes(), WIDTH, HEIGHT, data.size // HEIGHT, encoding)
    np.testing.assert_allclose(result, red, atol=1)


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview, lambda b: array.array('B', b), np.array])
def test_any_buffer_is_read(kind):
    rgb = smooth_image()
    data = np.frombuffer(rgb.tobytes(), np.uint8) if kind is np.array else kind(rgb.tobytes())
    np.testing.assert_array_equal(to_rgb(data, WIDTH, HEIGHT, 3 * WIDTH, 'rgb8'), rgb)


def test_rgb8_is_not_copied():
    data = smooth_image().tobytes()
    assert np.shares_memory(to_rgb(data, WIDTH, HEIGHT, 3 * WIDTH, 'rgb8'), np.frombuffer(data, np.uint8))


def test_mono16_of_a_big_endian_sender():
    data = (grey_of(smooth_image()).astype('>u2') * 257).tobytes()
    result = to_rgb(data, WIDTH, HEIGHT, 2 * WIDTH, 'mono16', is_bigendian=True)
    np.testing.assert_array_equal(result[..., 0], grey_of(smooth_image()))


@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
@pytest.mark.parametrize(('encoding', 'channels'), [('16UC1', 1), ('mono16', 1), ('bgr16', 3), ('bayer_rggb16', 1)])
def test_sixteen_bits_are_scaled_by_the_bits_that_are_used(encoding, channels, bits):
    data = np.full((4, 4 * channels), 200 << (bits - 8), '<u2').tobytes()
    assert to_rgb(data, 4, 4, 8 * channels, encoding)[0, 0, 0] == 200


def test_nv12_whose_step_counts_the_chroma_rows_too():
    encoded = nv(smooth_image(), (0, 1)).tobytes()
    result = to_rgb(encoded, WIDTH, HEIGHT, WIDTH * 3 // 2, 'nv12')
    assert np.abs(result.astype(int) - smooth_image()).mean() < 3


@pytest.mark.parametrize(
    ('kind', 'said', 'arguments'),
    [
        ('encoding', 'supported: rgb8', (b'', 4, 4, 4, 'yuv999')),
        ('size', 'too small', (b'', 0, 0, 0, 'rgb8')),
        ('size', 'too small', (b'abc', 1, 1, 3, 'rgb8')),
        ('size', '8000x6000 is too large', (b'', 8000, 6000, 24000, 'rgb8')),
        ('size', 'even width', (bytes(30), 5, 3, 10, 'uyvy')),
        ('size', 'even', (bytes(36), 6, 3, 6, 'nv12')),
        ('data', 'step 11 is too small', (bytes(44), 4, 4, 11, 'rgb8')),
        ('data', 'holds 47', (bytes(47), 4, 4, 12, 'rgb8')),
        ('data', 'holds 0', (b'', 4, 4, 12, 'bgr8')),
        ('data', 'step -12', (bytes(48), 4, 4, -12, 'rgb8')),
    ],
)
def test_bad_image_is_refused_with_kind_and_reason(kind, said, arguments):
    with pytest.raises(BadInputError, match=said) as caught:
        to_rgb(*arguments)
    assert caught.value.kind == kind


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_smallest_picture_does_not_crash(encoding):
    encoded = ENCODE[encoding](smooth_image(2, 2))
    assert to_rgb(encoded.tobytes(), 2, 2, encoded.size // encoded.shape[0], encoding).shape == (2, 2, 3)
