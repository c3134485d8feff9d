"""Choice of a source by its name, and refusals in one line."""

import pytest
from builders.images import opened

from affect_perception.errors import ConfigError
from affect_perception.sources import camera


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        ('/nowhere/film.mp4', "no file or folder '/nowhere/film.mp4'"),
        ('film.mp4', 'no file or folder'),
        ('holodeck', "unknown source 'holodeck'; choose one of: scene, camera:N"),
        ('camera:97', 'there is no camera 97'),
        ('camera:front', 'wanted camera:N'),
        ('topic:/camera/image_raw', 'image_topic'),
        ('realsense', 'RealSense'),
        ('realsense:', 'lacks a serial number|pyrealsense2'),
        ('tcp://127.0.0.1', 'lacks a host or a port'),
        ('tcp://127.0.0.1:1', 'cannot be reached'),
        ('http://127.0.0.1:1/video', 'cannot be reached'),
        ('rtsp://127.0.0.1:1/video', 'cannot be reached'),
    ],
)
def test_missing_source_is_refused_in_one_line(source, message):
    with pytest.raises(ConfigError, match=message) as caught:
        opened(source)
    assert '\n' not in str(caught.value)


def test_auto_takes_the_scene_where_no_camera_works(monkeypatch):
    monkeypatch.setattr(camera, 'cameras', lambda: [97])
    monkeypatch.setattr(camera, 'open_capture', lambda *_, **__: None)
    source = opened('auto', width=320, height=180, scene_people=0)
    assert source.name == 'scene'
    assert source.size == (320, 180)
