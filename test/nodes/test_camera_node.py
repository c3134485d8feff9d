"""The camera node with a real folder of images, and sources, models and detectors that nodes refuse at start."""

import cv2
import numpy as np
import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from builders.peer import Peer
from sensor_msgs.msg import Image

from affect_perception.errors import ConfigError
from affect_perception.msg import FaceAffectArray
from affect_perception.nodes.affect_node import AffectNode
from affect_perception.nodes.camera_node import CameraNode
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.ros import conversions as convert

pytestmark = pytest.mark.ros


def test_camera_node_gives_every_picture_of_a_folder_when_it_may_take_its_time(spin, tmp_path):
    for i in range(5):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.full((48, 64, 3), 40 * i, np.uint8))
    (tmp_path / '2b.png').write_bytes(b'not a picture')
    settings = {'source': str(tmp_path), 'rate': 0.0}
    node = CameraNode(settings)
    peer = Peer(('face_affect', FaceAffectArray), [('image', Image)])
    spin(node, peer)
    seen = []

    def echo():
        for message in peer.got['image'][len(seen) :]:
            seen.append(message)
            peer.publisher.publish(FaceAffectArray(header=message.header))
        return node.finished

    node.start()
    wait_until(echo)
    assert [int(convert.rgb_from_image(m)[0, 0, 0]) for m in seen] == [0, 40, 80, 120, 160]
    assert node.dropped == 0
    assert sum(node.diagnostics.bad_inputs.values()) == 1


@pytest.mark.parametrize(
    ('make', 'says'),
    [
        (lambda: CameraNode({'source': '/no/such/file.mp4'}), 'no/such/file.mp4'),
        (lambda: CameraNode({'source': 'camera:97'}), 'camera'),
        (lambda: CameraNode({'source': 'webcam'}), 'unknown source'),
        (lambda: AffectNode({'model': 'vgg'}), 'vgg'),
        (lambda: AffectNode({'device': 'tpu'}), 'tpu'),
        (lambda: FaceTrackerNode({'detector': 'haar'}), 'haar'),
    ],
)
def test_what_cannot_be_had_is_refused_at_start(ros, make, says):
    with pytest.raises(ConfigError, match=says):
        make()
