"""Depth images and camera_info survive their messages."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from sensor_msgs.msg import CameraInfo

from affect_perception.errors import BadInputError
from affect_perception.ros import conversions as convert
from affect_perception.types import Depth, Intrinsics

pytestmark = pytest.mark.ros

T0 = 1_795_000_000_000_000_000

FRAME_ID = 'camera_color_optical_frame'

CAMERA = Intrinsics(640, 480, 600.0, 600.0, 319.5, 239.5)


@pytest.mark.parametrize('values', [np.array([[0, 1, 1000], [2000, 65535, 7]], np.uint16)])
def test_depth_survives_its_message(values):
    depth = Depth(T0, values, 0.001)
    back = convert.depth_from_msg(convert.depth_to_msg(depth, FRAME_ID))
    assert (back.stamp_ns, back.unit_m) == (T0, 0.001)
    assert back.values.tolist() == values.tolist()


def test_depth_in_other_units_becomes_millimetres():
    fine = Depth(T0, np.array([[0, 10, 12344]], np.uint16), 0.0001)
    metres = Depth(T0, np.array([[0, 1.5, np.nan, np.inf, -1, 99]], np.float32), 1.0)
    assert convert.depth_from_msg(convert.depth_to_msg(fine, FRAME_ID)).values.tolist() == [[0, 1, 1234]]
    assert convert.depth_from_msg(convert.depth_to_msg(metres, FRAME_ID)).values.tolist() == [[0, 1500, 0, 0, 0, 65535]]


@pytest.mark.parametrize('distortion', [(), (0.1, -0.2, 0.001, 0.002, 0.05), tuple(0.01 * i for i in range(1, 9))])
def test_intrinsics_survive_their_message(distortion):
    camera = replace(CAMERA, distortion=distortion)
    message = convert.intrinsics_to_msg(camera, convert.header_to_msg(T0, FRAME_ID))
    assert message.header.frame_id == FRAME_ID
    assert convert.intrinsics_from_msg(message) == camera


def test_uncalibrated_and_fisheye_camera_info_are_refused():
    with pytest.raises(BadInputError, match='not calibrated'):
        convert.intrinsics_from_msg(CameraInfo(width=640, height=480))
    message = convert.intrinsics_to_msg(CAMERA, convert.header_to_msg(T0, FRAME_ID))
    message.distortion_model, message.d = 'equidistant', [0.1, 0.0, 0.0, 0.0]
    with pytest.raises(BadInputError, match='equidistant'):
        convert.intrinsics_from_msg(message)
