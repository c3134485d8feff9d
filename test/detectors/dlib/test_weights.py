"""Reading what dlib saved: numbers and tensors without any file, whole networks where the weights are installed."""

import struct

import numpy as np
import pytest

from affect_perception.detectors.dlib.stream import DlibStream, FormatError
from affect_perception.detectors.dlib.weights import (
    DETECTOR_FILE,
    EMBEDDING_FILE,
    LANDMARKS_FILE,
    check_architecture,
    folded_convolutions,
    read_net,
    weights_path,
)
from affect_perception.errors import ConfigError


def installed(file):
    try:
        return weights_path('', file)
    except ConfigError as error:
        pytest.skip(str(error))


def integer(value):
    size = max((abs(value).bit_length() + 7) // 8, 1)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, 'little')


@pytest.mark.parametrize('value', [0, 1, -1, 255, 256, -40000, 2**40])
def test_integers_are_read_as_they_were_written(value):
    assert DlibStream(integer(value)).integer() == value


def test_a_float_is_a_mantissa_times_a_power_of_two():
    assert DlibStream(integer(-3) + integer(-2)).real() == -0.75


def test_a_tensor_is_its_sizes_and_its_values():
    data = b''.join(integer(n) for n in (2, 1, 2, 1, 3)) + struct.pack('<6f', *range(6))
    assert np.array_equal(DlibStream(data).tensor(), np.arange(6, dtype=np.float32).reshape(1, 2, 1, 3))


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'\x09' + bytes(9),  # an integer of nine bytes
        b''.join(integer(n) for n in (2, 1000, 1000, 1000, 1000)),  # a tensor larger than the file
        b''.join(integer(n) for n in (2, 1, 1, 1, 1)) + struct.pack('<f', float('nan')),
    ],
)
def test_what_is_no_tensor_is_refused(data):
    with pytest.raises(FormatError):
        DlibStream(data).tensor()


def test_the_detector_is_seven_convolutions_in_all_of_its_file():
    net = read_net(installed(DETECTOR_FILE))
    assert net.loss['window'] == (80, 80)
    assert net.loss['nms_iou'] == pytest.approx(0.338276)
    assert net.input['mean'] == pytest.approx((122.782, 117.001, 104.298))
    assert [weight.shape[0] for weight, *_ in folded_convolutions(net)] == [16, 32, 32, 45, 45, 45, 1]


@pytest.mark.parametrize('kept', [0, 1, 10, 40, 130, 5000, -1])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, kept):
    whole = installed(DETECTOR_FILE).read_bytes()
    cut = tmp_path / 'cut.dat'
    cut.write_bytes(whole[:kept])
    with pytest.raises(ConfigError, match=r'cut\.dat is not a network .* damaged .* give the file') as caught:
        read_net(cut)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('content', [b'# a text file\n' * 100, bytes(1000), b'\xff' * 1000, b'\x01\x01' * 500])
def test_a_foreign_file_is_refused(tmp_path, content):
    foreign = tmp_path / 'foreign.dat'
    foreign.write_bytes(content)
    with pytest.raises(ConfigError, match=r'foreign\.dat is not a network'):
        read_net(foreign)


def test_bytes_behind_the_network_are_refused(tmp_path):
    longer = tmp_path / 'longer.dat'
    longer.write_bytes(installed(DETECTOR_FILE).read_bytes() + b'\0')
    with pytest.raises(ConfigError, match='1 bytes follow'):
        read_net(longer)


def test_landmarks_are_not_taken_for_a_network():
    with pytest.raises(ConfigError, match='not a network'):
        read_net(installed(LANDMARKS_FILE))


def test_another_network_of_dlib_is_told_apart():
    path = installed(EMBEDDING_FILE)
    with pytest.raises(ConfigError, match=r'holds another network than mmod.*loss_metric_2'):
        check_architecture(read_net(path), 'loss_mmod_', (), path, DETECTOR_FILE)


def test_a_path_without_a_file_is_named():
    with pytest.raises(ConfigError, match=r'no file /nowhere/x\.dat'):
        weights_path('/nowhere/x.dat', DETECTOR_FILE)


def test_a_file_that_the_package_lacks_says_what_to_install():
    with pytest.raises(ConfigError, match='pip install --no-deps face_recognition_models'):
        weights_path('', 'no_such_weights.dat')
