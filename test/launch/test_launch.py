"""The launch file against the real launch_ros: what it starts for which arguments."""

import importlib.util
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

REASON = 'needs launch_ros, which comes with a ROS 2 installation and is not on PyPI'
launch = pytest.importorskip('launch', reason=REASON)
launch_actions = pytest.importorskip('launch_ros.actions', reason=REASON)

pytestmark = pytest.mark.ros

FILE = ROOT / 'launch' / 'smile.launch.py'


def started(**arguments: str) -> list:
    """The nodes that the launch file would start."""
    spec = importlib.util.spec_from_file_location('smile_launch', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context = launch.LaunchContext()
    for action in module.generate_launch_description().entities[:-1]:
        action.visit(context)
    context.launch_configurations.update(arguments)
    return [a for a in module.start(context) if isinstance(a, launch_actions.Node)]


def command(node, first: int = 0) -> str:
    """`first` 1 leaves out the executable, whose package need not be installed."""
    context = launch.LaunchContext()
    context.extend_locals({'ros_specific_arguments': {'name': '', 'params': [], 'remaps': [], 'ns': ''}})
    node._perform_substitutions(context)
    return ' '.join(launch.utilities.perform_substitutions(context, part) for part in node.cmd[first:])


def parameters(node) -> dict:
    """Those of the file that the launch file made, by node."""
    content = yaml.safe_load(Path(command(node).split('--params-file ')[-1].split()[0]).read_text())
    return {name: values['ros__parameters'] for name, values in content.items()}


def test_one_process_by_default():
    nodes = started(source='scene')
    assert [node.node_executable for node in nodes] == ['graph']
    assert parameters(nodes[0])['/**/camera_node'] == {'source': 'scene'}


def test_parameters_reach_the_nodes_also_in_a_namespace():
    rclpy = pytest.importorskip('rclpy')
    (graph,) = started(source='topic:/cam/image', namespace='robot1', detector='dlib_hog')
    file = command(graph).split('--params-file ')[-1].split()[0]
    context = rclpy.Context()
    rclpy.init(args=['--ros-args', '-r', '__ns:=/robot1', '--params-file', file], context=context)
    node = rclpy.create_node('face_tracker_node', context=context)
    try:
        given = [node.declare_parameter(name, '').value for name in ('detector', 'image_topic')]
    finally:
        node.destroy_node()
        context.shutdown()
    assert given == ['dlib_hog', '/cam/image']


def test_topic_leaves_the_camera_out():
    (graph,) = started(source='topic:/camera/color/image_raw')
    assert '--no-camera' in command(graph)
    assert parameters(graph)['/**/face_tracker_node']['image_topic'] == '/camera/color/image_raw'


def test_one_process_per_node_when_asked():
    assert sorted(node.node_executable for node in started(source='scene', composed='false')) == [
        'affect_node', 'agent_node', 'camera_node', 'face_tracker_node', 'marker_node',
    ]  # fmt: skip


def test_parts_are_switched_by_arguments():
    text = command(started(source='scene', agent='false', hri='true')[0])
    assert '--no-agent --markers --hri' in text
    assert '--viewer-process auto' in text
    assert '--viewer-process thread' in command(started(source='scene', viewer_process='thread')[0])
    assert '--viewer-process thread' in command(started(source='scene', watch_beside='thread')[0])
    nodes = started(source='topic:/cam/image', composed='false', agent='false', hri='true')
    assert {n.node_executable for n in nodes} == {'affect_node', 'face_tracker_node', 'marker_node', 'hri_node'}


def test_rviz_is_started_with_our_configuration_and_a_transform_of_our_own_camera():
    rviz, transform, _ = started(source='scene', rviz='true')
    assert 'config/smile.rviz' in command(rviz, 1)
    assert '-f camera_link' in command(rviz, 1)
    assert transform.node_executable == 'static_transform_publisher'
    assert len(started(source='topic:/cam/image', rviz='true', rviz_frame='map')) == 2


def test_realsense_without_its_package_says_what_to_install():
    with pytest.raises(RuntimeError, match='realsense2-camera'):
        started(source='realsense')


def test_sound_starts_its_node_and_only_where_it_is_asked_for():
    assert 'audio_node' not in command(started(source='scene')[0])
    (graph,) = started(source='scene', audio='microphone:2')
    assert '--sound' in command(graph)
    assert parameters(graph)['/**/audio_node'] == {'audio': 'microphone:2'}
    nodes = started(source='camera:0', audio='auto', composed='false')
    assert 'audio_node' in [node.node_executable for node in nodes]
