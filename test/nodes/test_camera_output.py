"""Outputs of camera_node beside the image, under the names that drivers have: JPEG, camera_info of a file."""

import cv2
import numpy as np
import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from builders.peer import Peer
from rclpy.qos import QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from affect_perception.errors import ConfigError
from affect_perception.nodes.camera_node import CameraNode
from affect_perception.ros import conversions as convert
from affect_perception.ros.camera_info_file import read_camera_info

pytestmark = pytest.mark.ros

CALIBRATION = """
image_width: 64
image_height: 48
camera_name: head_camera
camera_matrix: {rows: 3, cols: 3, data: [50, 0, 31.5, 0, 51, 23.5, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0, 0, 0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [52, 0, 31.5, 0, 0, 53, 23.5, 0, 0, 0, 1, 0]}
"""


@pytest.fixture
def calibration(tmp_path):
    file = tmp_path / 'my camera.yaml'
    file.write_text(CALIBRATION)
    return file


def pictures(folder, size=(64, 48)):
    folder.mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / f'{i}.png'), np.full((size[1], size[0], 3), 90, np.uint8))
    return str(folder)


def test_remapped_camera_offers_jpeg_and_the_calibration_of_a_file_beside_its_image(spin, tmp_path, calibration):
    settings = {
        'source': pictures(tmp_path / 'pictures'),
        'rate': 1.0,
        'loop': True,
        'camera_info_url': str(calibration),
    }
    node = CameraNode(settings, cli_args=['--ros-args', '-r', 'image:=/cam/image_raw'])
    topics = [
        ('/cam/image_raw', Image),
        ('/cam/image_raw/compressed', CompressedImage),
        ('/cam/camera_info', CameraInfo),
    ]
    peer = Peer(None, topics)
    spin(node, peer)
    node.start()
    wait_until(lambda: all(peer.got[topic] for topic, _ in topics))
    raw, jpeg, info = (peer.got[topic][-1] for topic, _ in topics)
    assert convert.frame_from_msg(jpeg).rgb.shape == convert.frame_from_msg(raw).rgb.shape == (48, 64, 3)
    assert (info.width, info.height, info.k[0], info.p[0], list(info.d[:2])) == (64, 48, 50.0, 52.0, [0.1, -0.2])
    assert info.header.frame_id == raw.header.frame_id
    (offer,) = peer.get_publishers_info_by_topic('/cam/image_raw')
    assert offer.qos_profile.reliability == QoSReliabilityPolicy.RELIABLE


def test_calibration_of_another_size_is_counted_and_images_go_on(spin, tmp_path, calibration):
    source = pictures(tmp_path / 'pictures', (32, 24))
    node = CameraNode({'source': source, 'loop': True, 'camera_info_url': f'file://{calibration}'.replace(' ', '%20')})
    peer = Peer(None, [('image', Image)])
    spin(node, peer)
    node.start()
    wait_until(lambda: len(peer.got['image']) > 1)
    assert node.diagnostics.bad_inputs['camera_info']
    assert not node.count_publishers('camera_info')


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('image_width: 64', 'is no calibration'),
        ('[', 'is no YAML'),
        (CALIBRATION.replace('[50,', '[.nan,'), 'is no calibration'),
        (CALIBRATION.replace('[50, 0,', '[50,'), 'is no calibration'),
        (CALIBRATION.replace('image_width: 64', 'image_width: -1'), 'is no calibration'),
        ('- 1', 'is no calibration'),
    ],
)
def test_file_that_is_no_calibration_is_refused_with_its_name(tmp_path, text, says):
    (tmp_path / 'bad.yaml').write_text(text)
    with pytest.raises(ConfigError, match=f'bad.yaml {says}'):
        read_camera_info(str(tmp_path / 'bad.yaml'))


@pytest.mark.parametrize(
    ('url', 'says'),
    [
        ('/no/such.yaml', 'cannot read'),
        ('package://no_such/a.yaml', 'no package no_such'),
        ('http://a/b', 'give file:'),
    ],
)
def test_url_that_leads_nowhere_is_refused(ros, url, says):
    with pytest.raises(ConfigError, match=says):
        CameraNode({'source': 'scene', 'camera_info_url': url})
