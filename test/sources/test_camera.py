"""Cameras by number, name and link, and the list of those that exist in the error."""

import cv2
import numpy as np
import pytest
from conftest import wait_until

from affect_perception.errors import ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import camera, capture, check_source


@pytest.fixture
def two_cameras(monkeypatch, tmp_path):
    """Devices 0 and 2 with the names of their drivers."""
    for number, name in ((0, 'Integrated Camera: HD'), (2, 'Logitech BRIO')):
        (tmp_path / f'video{number}').mkdir()
        (tmp_path / f'video{number}' / 'name').write_text(name + '\n')
    monkeypatch.setattr(camera, '_NAMES', tmp_path)
    monkeypatch.setattr(camera, 'cameras', lambda: [0, 2])


@pytest.mark.parametrize(
    ('text', 'number'), [('camera', 0), ('camera:2', 2), ('camera:brio', 2), ('camera:Integrated Camera: HD', 0)]
)
def test_camera_is_found_by_number_and_by_a_part_of_its_name(two_cameras, text, number):
    assert camera.camera_number(text) == number


def test_link_to_a_device_is_followed(two_cameras, monkeypatch):
    monkeypatch.setattr(camera.os.path, 'realpath', lambda _: '/dev/video2')
    assert camera.camera_number('/dev/v4l/by-id/usb-Logitech_BRIO-video-index0') == 2


@pytest.mark.parametrize('text', ['camera:7', 'camera:webcam', 'camera:', '/dev/v4l/by-id/none', '/dev/null'])
def test_absent_camera_is_refused_with_the_list_of_those_that_exist(two_cameras, text):
    with pytest.raises(ConfigError, match=r'camera:0 \(Integrated Camera: HD\), camera:2 \(Logitech BRIO\)'):
        check_source(text)


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('clip.mpf', "no file or folder 'clip.mpf'"),
        ('topic:/camera/color image', 'is no name of a topic'),
        ('topic:', 'is no name of a topic'),
        ('gopher://cam', "no scheme 'gopher'"),
        ('tcp://cam', 'lacks a host or a port'),
        ('holodeck', "unknown source 'holodeck'"),
    ],
)
def test_source_that_cannot_be_opened_is_refused_by_its_name(text, says):
    with pytest.raises(ConfigError, match=says):
        check_source(text)


class JpegCamera:
    """Stand-in for the VideoCapture of a V4L2 camera that sends `jpegs`, over and over, raw or decoded.

    `obeys`: whether CONVERT_RGB is followed (drivers that copy no bytes refuse it, or take it and decode all the same).
    """

    def __init__(self, jpegs, obeys=True, takes=True):
        self._jpegs, self._obeys, self._takes = jpegs, obeys, takes
        self._decodes, self._next = True, 0
        self.released = False

    def get(self, name):
        return {cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*'MJPG'))}.get(name, 30.0)

    def set(self, name, value):
        if name == cv2.CAP_PROP_CONVERT_RGB and self._obeys:
            self._decodes = bool(value)
        return self._takes

    def getBackendName(self):
        return 'V4L2'

    def read(self):
        data = np.frombuffer(self._jpegs[self._next % len(self._jpegs)], np.uint8)
        self._next += 1
        return (True, cv2.imdecode(data, cv2.IMREAD_COLOR) if self._decodes else data[None])

    def release(self):
        self.released = True


def jpeg(shade: int) -> bytes:
    noise = np.random.default_rng(shade).integers(0, 40, (48, 64, 3), np.uint8)
    return bytes(cv2.imencode('.jpg', np.clip(noise + shade, 0, 255).astype(np.uint8))[1])


@pytest.fixture
def plugged_in(monkeypatch):
    """Function that plugs in a camera, opens it, and returns (source, errors)."""
    opened = []

    def open_one(device):
        monkeypatch.setattr(camera, 'cameras', lambda: [0])
        monkeypatch.setattr(camera, 'open_capture', lambda *_: device)
        errors = []
        opened.append(camera.open_camera(SourceSettings(source='camera:0'), errors.append))
        return opened[-1], errors

    yield open_one
    for source in opened:
        source.close()


def test_damaged_jpeg_of_a_camera_is_counted_and_no_half_grey_image(plugged_in):
    whole = [jpeg(0), jpeg(100)]
    cut, without_tables = whole[0][:-400] + b'\xff\xd9', without_huffman_tables(whole[1])
    source, errors = plugged_in(JpegCamera([cut, whole[0], cut, without_tables + bytes(300)]))
    expected = {cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].tobytes() for data in whole}
    frames = iter(source)
    seen = {next(frames).rgb.tobytes() for _ in range(20)}
    assert seen <= expected
    wait_until(lambda: errors)
    assert {error.kind for error in errors} == {'compressed'}


def without_huffman_tables(data: bytes) -> bytes:
    """The JPEG as USB cameras send it: the standard tables are left out."""
    while (at := data.find(b'\xff\xc4')) >= 0:
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], 'big') :]
    return data


@pytest.mark.parametrize(('obeys', 'takes'), [(False, False), (False, True)])
def test_camera_whose_driver_gives_decoded_images_all_the_same_is_read(plugged_in, obeys, takes):
    source, errors = plugged_in(JpegCamera([jpeg(100)], obeys, takes))
    assert next(iter(source)).rgb.shape == (48, 64, 3)
    assert not errors


def test_camera_of_which_no_jpeg_can_be_read_here_is_decoded_by_opencv(plugged_in, caplog):
    source, _ = plugged_in(JpegCamera([jpeg(100)[:-400] + b'\xff\xd9']))  # damaged, all of them
    assert next(iter(source)).rgb.shape == (48, 64, 3)
    assert 'decoded by OpenCV' in caplog.text


def test_camera_that_gives_nothing_usable_is_refused(plugged_in):
    device = JpegCamera([b'\0' * 500])
    device.read = lambda: (True, np.zeros((1, 500), np.uint8))
    with pytest.raises(ConfigError, match=r'camera 0 opens but delivers no image \(.*no known format'):
        plugged_in(device)
    assert device.released


def test_raw_jpegs_of_opencv_itself_are_decoded_as_opencv_decodes_them(tmp_path):
    path = str(tmp_path / 'clip.avi')
    writer = cv2.VideoWriter(path, cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter.fourcc(*'MJPG'), 10, (64, 48))
    for shade in (0, 60, 120):
        writer.write(np.full((48, 64, 3), shade, np.uint8))
    writer.release()
    decoded, raw = (
        cv2.VideoCapture(path, cv2.CAP_OPENCV_MJPEG),
        cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1]),
    )
    if not raw.isOpened() or not decoded.isOpened():
        pytest.skip('an OpenCV without these readers')
    ours, theirs = capture.MjpegConnection(raw), capture.CaptureConnection(decoded)
    for _ in range(3):
        np.testing.assert_array_equal(ours.read(), theirs.read())
