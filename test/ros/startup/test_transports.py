"""Fast DDS profile of our processes: chosen unless the user chose transports, heard by and hearing those without it."""

import os
import select
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
from builders.other_process import Cameras
from builders.peer import Peer
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import Image

from affect_perception.ros.startup import transports

pytestmark = pytest.mark.ros

# A process of ours: requests images best effort, and publishes each one it gets as `seen`.
READER = """
import os, sys, rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from affect_perception.ros.startup import transports
from affect_perception.ros.startup.start import init_ros
transports._granted = lambda: transports._ENOUGH  # also where the system grants less
init_ros()
node = Node('reader')
seen = node.create_publisher(Image, 'seen', 10)
best_effort = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT)
node.create_subscription(Image, 'image', seen.publish, best_effort)
print(os.environ[transports._variable()], flush=True)
rclpy.spin(node)
"""


@pytest.fixture
def variables(monkeypatch, tmp_path):
    """Environment without a choice of transports, in an empty folder, with a socket that is large enough; undone."""
    monkeypatch.chdir(tmp_path)
    for name in ('RMW_IMPLEMENTATION', 'ROS_AUTOMATIC_DISCOVERY_RANGE', *transports.GIVEN):
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)
    monkeypatch.setattr(transports, '_granted', lambda: transports._ENOUGH)
    return monkeypatch


def chosen() -> set[str]:
    """Values of all variables that choose transports."""
    return {os.environ[name] for name in transports.GIVEN if name in os.environ}


def test_our_profile_is_used_where_the_user_has_chosen_nothing(variables):
    assert transports.use_large_buffers()
    assert chosen() == {str(transports.PROFILE)}


def test_profile_of_a_host_that_is_discovered_alone_has_a_transport_of_its_own(variables):
    variables.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    assert transports.use_large_buffers()
    assert chosen() == {str(transports.PROFILE_OF_LOCALHOST)}


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('FASTDDS_BUILTIN_TRANSPORTS', 'LARGE_DATA'),
        ('FASTDDS_DEFAULT_PROFILES_FILE', 'mine.xml'),
        ('FASTRTPS_DEFAULT_PROFILES_FILE', 'mine.xml'),
        ('ROS_LOCALHOST_ONLY', '1'),
        ('RMW_IMPLEMENTATION', 'rmw_cyclonedds_cpp'),
    ],
)
def test_what_the_user_has_chosen_is_kept(variables, name, value):
    variables.setenv(name, value)
    before = dict(os.environ)
    assert not transports.use_large_buffers()
    assert dict(os.environ) == before


def test_profile_in_the_working_folder_is_kept(variables, tmp_path):
    (tmp_path / 'DEFAULT_FASTDDS_PROFILES.xml').write_text('<profiles/>')
    assert not transports.use_large_buffers()


def test_default_transports_stay_where_the_system_grants_small_sockets_only(variables):
    variables.setattr(transports, '_granted', lambda: 212992)  # Linux as it comes
    assert not transports.use_large_buffers()
    assert not chosen()


@pytest.mark.parametrize('profile', [transports.PROFILE, transports.PROFILE_OF_LOCALHOST])
def test_profile_is_the_default_of_a_process_and_asks_for_large_sockets(profile):
    tags = {tag.tag.rpartition('}')[2]: tag for tag in ElementTree.parse(profile).iter()}
    assert tags['participant'].get('is_default_profile') == 'true'
    size = tags.get('listenSocketBufferSize', tags.get('receiveBufferSize'))
    assert int(size.text) == transports._WANTED


@pytest.mark.parametrize('discovery', ['LOCALHOST', 'SUBNET'])
def test_process_with_our_profile_hears_and_is_heard_by_those_without_it(variables, request, discovery):
    variables.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', discovery)
    spin = request.getfixturevalue('spin')  # starts ROS now
    tool = spin(Peer(None, [('seen', Image)]))
    cameras = Cameras()
    pipe = subprocess.PIPE
    reader = subprocess.Popen([sys.executable, '-c', READER], stdout=pipe, stderr=pipe, text=True)
    try:
        camera = {'width': 1280, 'height': 720, 'reliability': 'best_effort', 'frames': 1, 'fps': 5.0}
        cameras.ask(do='start', **camera)
        wait_until(lambda: cameras.ask(do='send', **camera) == {} and tool.got['seen'])
        assert tool.got['seen'][0].width == 1280
        client = tool.create_client(GetParameters, '/reader/get_parameters')
        assert client.wait_for_service(60)
        answer = client.call_async(GetParameters.Request(names=['use_sim_time']))
        wait_until(answer.done)
        assert answer.result().values
        profile = transports.PROFILE_OF_LOCALHOST if discovery == 'LOCALHOST' else transports.PROFILE
        assert reader.stdout.readline().strip() == str(profile)
        assert not select.select([reader.stderr], [], [], 0)[0], reader.stderr.readline()  # the profile is understood
    finally:
        reader.kill()
        reader.communicate()
        cameras.close()
