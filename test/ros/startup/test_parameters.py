"""Settings as ROS parameters of a real node: descriptors, ranges, live changes, values of YAML."""

import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from builders.peer import Peer
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter

from affect_perception.errors import ConfigError
from affect_perception.nodes.face_tracker_node import FaceTrackerNode

pytestmark = pytest.mark.ros


def test_parameters_are_described_with_meaning_unit_and_range(spin):
    node, peer = FaceTrackerNode({'detector': 'dlib_hog'}), Peer()
    spin(node, peer)
    client = peer.create_client(DescribeParameters, '/face_tracker_node/describe_parameters')
    assert client.wait_for_service(5.0)
    future = client.call_async(DescribeParameters.Request(names=['detect_every', 'detector', 'min_confidence']))
    wait_until(future.done)
    every, detector, confidence = future.result().descriptors
    assert 'frames' in every.description
    assert (every.integer_range[0].from_value, every.integer_range[0].to_value) == (1, 300)
    assert 'dlib_hog' in detector.additional_constraints
    assert detector.read_only
    assert confidence.floating_point_range[0].to_value == 1.0


def test_value_out_of_range_is_refused_at_start_with_name_value_and_range(ros):
    overrides = [Parameter('detect_every', value=0)]
    with pytest.raises(ConfigError, match=r'detect_every = 0 .*1 to 300'):
        FaceTrackerNode(parameter_overrides=overrides)


def test_whole_number_in_yaml_does_for_a_fraction(spin):
    node = FaceTrackerNode({'detector': 'dlib_hog'}, parameter_overrides=[Parameter('max_unseen_s', value=2)])
    spin(node)
    assert node.settings.max_unseen_s == 2.0


def test_live_setting_changes_while_running_and_a_fixed_one_does_not(spin):
    node, peer = FaceTrackerNode({'detector': 'dlib_hog'}), Peer()
    spin(node, peer)
    client = peer.create_client(SetParameters, '/face_tracker_node/set_parameters')
    assert client.wait_for_service(5.0)
    values = {'detect_every': 5, 'crop_size': 64, 'min_confidence': 2.0}
    request = SetParameters.Request(parameters=[Parameter(k, value=v).to_parameter_msg() for k, v in values.items()])
    future = client.call_async(request)
    wait_until(future.done)
    assert [result.successful for result in future.result().results] == [True, False, False]
    assert node.settings.detect_every == 5
    assert node.settings.crop_size == 96
