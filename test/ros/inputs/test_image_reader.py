"""cv_bridge beside our conversions, where it is installed: equal pictures, and encodings that ours do not know."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
from sensor_msgs.msg import Image

from affect_perception.core.images.encodings import ENCODINGS
from affect_perception.errors import BadInputError
from affect_perception.ros.inputs.image_reader import read_frame

pytestmark = pytest.mark.ros

BYTES = {'yuv422': 2, 'yuv422_yuy2': 2, 'rgba8': 4, 'bgra8': 4}
SAME = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', 'yuv422', 'yuv422_yuy2')


def image(encoding: str, size: int = 3) -> Image:
    data = np.random.default_rng(0).integers(0, 256, 48 * 64 * size, np.uint8).tobytes()
    return Image(width=64, height=48, step=64 * size, encoding=encoding, data=data)


@pytest.mark.parametrize('encoding', SAME)
def test_our_pictures_are_those_of_cv_bridge(encoding):
    cv_bridge = pytest.importorskip('cv_bridge', reason='cv_bridge comes with a ROS installation')
    message = image(encoding, BYTES.get(encoding, 1 if encoding.startswith('mono') else 3))
    theirs = cv_bridge.CvBridge().imgmsg_to_cv2(message, 'rgb8')
    assert np.abs(read_frame(message).rgb.astype(int) - theirs).max() <= 1


def test_encoding_that_only_cv_bridge_knows_is_converted():
    pytest.importorskip('cv_bridge', reason='cv_bridge comes with a ROS installation')
    assert 'rgb16' not in ENCODINGS
    assert read_frame(image('rgb16', 6)).rgb.shape == (48, 64, 3)


def test_encoding_that_nobody_knows_is_a_bad_input():
    with pytest.raises(BadInputError, match="no encoding 'rgb9'"):
        read_frame(image('rgb9'))
