"""The launch file against the real launch_ros: what it starts for which arguments, and what it refuses.

launch and launch_ros are on no registry: ROS_LAUNCH_PATH may name folders of their sources, separated by colons.
"""

import importlib.util
import os
import sys

import pytest
from conftest import ROOT

sys.path += [folder for folder in os.environ.get('ROS_LAUNCH_PATH', '').split(':') if folder]
REASON = 'needs launch_ros, which comes with a ROS 2 installation and is not on PyPI (ROS_LAUNCH_PATH: its sources)'
pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)  # as `make set-up` installs; an installation sets it
launch = pytest.importorskip('launch', reason=REASON)
launch_actions = pytest.importorskip('launch_ros.actions', reason=REASON)

pytestmark = pytest.mark.ros

FILE = ROOT / 'launch' / 'smile.launch.py'


def module():
    spec = importlib.util.spec_from_file_location('smile_launch', FILE)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def declared_in(context, **arguments: str) -> None:
    context.launch_configurations.update(arguments)
    for action in module().generate_launch_description().entities[:-1]:
        action.visit(context)


def started(typed: tuple = (), **arguments: str) -> list:
    """The actions that the launch file would start, its own and those that say something."""
    context = launch.LaunchContext(argv=list(typed))
    declared_in(context, **{'params_file': str(ROOT / 'config' / 'smile.yaml'), **arguments})
    return module().start(context)


def command(node, first: int = 0, **configurations) -> str:
    """`first` 1 leaves out the executable, whose package need not be installed. `configurations`: of a parent."""
    context = launch.LaunchContext()
    context.launch_configurations.update(configurations)
    context.extend_locals({'ros_specific_arguments': {'name': '', 'params': [], 'remaps': [], 'ns': ''}})
    node._perform_substitutions(context)
    parts = [launch.utilities.perform_substitutions(context, part) for part in node.cmd[first:]]
    ros = context.get_locals_as_dict()['ros_specific_arguments']
    return ' '.join([*parts, *ros['params'], *ros['remaps'], str(ros['ns'])])


def test_one_process_by_default():
    (graph,) = started(source='scene')
    assert graph.node_executable == 'graph'
    assert '--set camera_node.source=scene' in command(graph)


@pytest.mark.parametrize('composed', ['true', 'false'])
def test_login_of_a_source_is_on_no_command_line(composed):
    found = started(source='rtsp://anna:pass@cam/live', audio='rtsp://anna:pass@cam/live', composed=composed)
    lines = [command(node) for node in found]
    assert not any('pass' in line for line in lines)
    assert any('rtsp://${AFFECT_PERCEPTION_SOURCE_LOGIN}@cam/live' in line for line in lines)
    context = launch.LaunchContext()
    for node in found:
        given = {
            launch.utilities.perform_substitutions(context, k): launch.utilities.perform_substitutions(context, v)
            for k, v in node.additional_env
        }
        assert given['AFFECT_PERCEPTION_SOURCE_LOGIN'] == given['AFFECT_PERCEPTION_AUDIO_LOGIN'] == 'anna:pass'


def test_settings_that_the_arguments_change_are_read_by_the_graph_also_in_a_namespace():
    from affect_perception.graph.flags import parse_flags

    (graph,) = started(source='topic:/cam/image', namespace='robot1', detector='dlib_hog')
    flags = parse_flags(command(graph, 1).split(' --ros-args')[0].split())
    assert flags.settings == {'face_tracker_node': {'detector': 'dlib_hog', 'image_topic': '/cam/image'}}
    assert not flags.camera


def test_one_process_per_node_when_asked_on_the_default_transports():
    nodes = started(source='scene', composed='False')
    assert sorted(node.node_executable for node in nodes) == [
        'affect_node', 'agent_node', 'camera_node', 'face_tracker_node', 'marker_node',
    ]  # fmt: skip
    assert not any(node.additional_env for node in nodes)
    assert not [a for a in nodes if isinstance(a, launch.actions.SetEnvironmentVariable)]
    (camera,) = [node for node in nodes if node.node_executable == 'camera_node']
    assert '-p source:=scene' in command(camera, 1)


def test_large_data_is_for_our_processes_only():
    for composed in ('true', 'false'):
        for node in started(source='scene', composed=composed, large_data='yes'):
            (pair,) = node.additional_env
            assert [part.text for name in pair for part in name] == ['FASTDDS_BUILTIN_TRANSPORTS', 'LARGE_DATA']


def test_parts_are_switched_by_arguments():
    text = command(started(source='scene', agent='false', hri='true')[0])
    assert '--no-agent --markers --hri' in text
    assert '--viewer-process auto' in text
    assert '--viewer-process thread' in command(started(source='scene', viewer_process='thread')[0])
    assert '--viewer-process thread' in command(started(source='scene', watch_beside='thread')[0])
    nodes = started(source='topic:/cam/image', composed='false', agent='false', hri='true')
    assert {n.node_executable for n in nodes} == {'affect_node', 'face_tracker_node', 'marker_node', 'hri_node'}


@pytest.mark.parametrize('word', ['True', '1', 'yes', 'ON'])
def test_true_is_written_in_several_ways(word):
    assert '--hri' in command(started(source='scene', hri=word)[0])
    assert '--no-agent' in command(started(source='scene', agent={'True': 'False', '1': '0'}.get(word, 'no'))[0])


def test_arguments_of_every_launch_file_are_passed_on():
    graph = started(source='scene', use_sim_time='True', log_level='debug', use_respawn='true')[0]
    assert "-p use_sim_time:='true'" in command(graph).lower() or '-p use_sim_time:=true' in command(graph).lower()
    assert '--log-level debug' in command(graph)
    assert 'use_sim_time' not in command(started(source='scene')[0])


def test_a_parent_decides_over_time_namespace_and_names():
    graph = started(source='scene')[0]
    parent = {'global_params': [('use_sim_time', True)], 'ros_namespace': '/robot1', 'ros_remaps': [('image', 'eye')]}
    text = command(graph, **parent)
    assert '-p use_sim_time:=True' in text
    assert 'image:=eye' in text
    assert 'use_sim_time' not in (ROOT / 'config' / 'smile.yaml').read_text().partition('/**:')[2]


@pytest.mark.parametrize('composed', ['true', 'false'])
def test_no_temporary_file_is_left(composed, tmp_path, monkeypatch):
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    for node in started(source='topic:/cam/image', composed=composed, detector='dlib_hog', use_sim_time='true'):
        command(node, 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [
        ({'composed': 'ture'}, 'composed:=ture is neither true nor false'),
        ({'params_file': '/no/such.yaml'}, 'params_file:=/no/such.yaml is no file'),
        ({'detector': 'dlib'}, 'dlib_hog'),
        ({'viewer_process': 'elsewhere'}, 'thread'),
    ],
)
def test_value_that_there_is_not_is_refused(arguments, says):
    with pytest.raises(RuntimeError, match=says):
        started(source='scene', **arguments)


def test_misspelt_argument_is_refused_with_the_nearest_name(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['ros2', 'launch', 'affect_perception', 'smile.launch.py', 'detecter:=dlib_hog'])
    with pytest.raises(RuntimeError, match='no argument detecter:=; did you mean detector:='):
        started(('detecter:=dlib_hog', 'source:=scene'), source='scene')


def test_in_another_launch_file_only_what_is_nearly_ours_is_said(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['ros2', 'launch', 'robot', 'robot.launch.py'])
    actions = started(('detecter:=dlib_hog', 'map:=house'), source='scene')
    said = [a for a in actions if isinstance(a, launch.actions.LogInfo)]
    assert len(said) == 1
    assert len(actions) == 2


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
    assert '--set audio_node.audio=microphone:2' in command(graph)
    nodes = started(source='camera:0', audio='auto', composed='false')
    assert 'audio_node' in [node.node_executable for node in nodes]
