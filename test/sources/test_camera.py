"""Cameras by number, name and link, and the list of those that exist in the error."""

import pytest

from affect_perception.errors import ConfigError
from affect_perception.sources import camera, check_source


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
