"""Topics that belong to an image topic."""

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from affect_perception.ros.inputs.depth_input import depth_topic
from affect_perception.ros.topics import sibling_topic
from affect_perception.settings import TrackerSettings

pytestmark = pytest.mark.ros

COLOUR = '/camera/camera/color/image_raw'

INFO = '/camera/camera/color/camera_info'

ALIGNED = '/camera/camera/aligned_depth_to_color/image_raw'


@pytest.mark.parametrize(
    ('image', 'given', 'depth', 'info'),
    [
        ('/image', 'auto', '/depth', '/camera_info'),
        ('/robot/image', 'auto', '/robot/depth', '/robot/camera_info'),
        ('image', 'auto', 'depth', 'camera_info'),
        (COLOUR, 'auto', '', INFO),
        (COLOUR, ALIGNED, ALIGNED, INFO),
        (COLOUR + '/compressed', ALIGNED, ALIGNED, INFO),
        ('/image', '', '', '/camera_info'),
    ],
)
def test_topics_beside_the_image_are_guessed_as_image_transport_does(image, given, depth, info):
    assert depth_topic(image, TrackerSettings(depth_topic=given)) == depth
    assert sibling_topic(image, 'camera_info') == info
