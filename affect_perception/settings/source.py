"""Settings of `camera_node`: image source, playback rate, requested camera format, scene."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declaration import Settings, setting


@dataclass(frozen=True)
class SourceSettings(Settings):
    """Settings of the image source (`camera_node`)."""

    source: str = setting(
        'auto',
        'scene, camera:N, camera:NAME, realsense, realsense:SERIAL, a video file, a bag, a stream URL, a folder of '
        'images, or auto (a camera if present, else scene); for `run` and smile.launch.py also topic:NAME, images that '
        'another node publishes',
        path=True,
        common=True,
    )
    rate: float = setting(
        1.0,
        'playback speed of a file or the scene relative to real time; 0: as fast as results come, without losing '
        'a frame',
        low=0.0,
        high=100.0,
        common=True,
    )
    loop: bool = setting(False, 'restart a file when it ends')
    width: int = setting(
        1280, 'image width requested from a camera, and of the scene', unit='px', low=64, high=7680, common=True
    )
    height: int = setting(
        720, 'image height requested from a camera, and of the scene', unit='px', low=64, high=4320, common=True
    )
    fps: float = setting(
        30.0,
        'frame rate requested from a camera, and of the scene and of image folders',
        unit='1/s',
        low=1.0,
        high=240.0,
        common=True,
    )
    frame_id: str = setting('camera_color_optical_frame', 'frame_id of the images, the optical frame of the camera')
    camera_info_url: str = setting(
        '',
        'calibration of a camera without its own: a YAML file of camera_calibration, as file:///path, '
        'package://PACKAGE/path or a path; published as camera_info beside the images',
    )
    jpeg_quality: int = setting(90, 'JPEG quality of image/compressed', low=1, high=100)
    bag_topic: str = setting('', 'image topic of a bag; empty: the only one')
    scene_people: int = setting(4, 'number of people in the scene', unit='people', low=0, high=50, common=True)
    scene_seed: int = setting(0, 'random seed of the scene; equal seeds give equal pixels', low=0, high=2**31 - 1)
    scene_speech: bool = setting(
        False, 'people of the scene speak and laugh, with moving mouths; audio_node makes the sound'
    )
    scene_voice: str = setting(
        'vowels',
        'speech of the people of the scene: vowels, generated here; espeak-ng: words, by that program where it is '
        'installed',
        choices=('vowels', 'espeak-ng'),
    )
    scene_portraits: str = setting(
        '',
        'folder with index.csv and a neutral and a smiling portrait of each person; empty: six built-in people; '
        'astronaut: copies of one photograph',
    )
