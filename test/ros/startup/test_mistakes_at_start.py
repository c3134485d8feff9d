"""Names typed wrong are told in one line with the nearest name, which ends the start with status 2."""

import os
import re
import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from affect_perception.errors import ConfigError
from affect_perception.nodes import agent_node, face_tracker_node
from affect_perception.ros.startup.given_parameters import check_parameters
from affect_perception.runtime.imports.middleware import check_middleware, installed_middlewares
from affect_perception.settings import GROUPS, TrackerSettings

pytestmark = pytest.mark.ros

NODES = [name for name in GROUPS if name != 'graph']
SETTING = next(declared.name for declared in GROUPS['agent_node'].declared())


def written(folder, text: str) -> str:
    file = folder / 'parameters.yaml'
    file.write_text(text)
    return str(file)


def refusal(capsys, main, *args: str) -> str:
    """Output of an executable before it ends with status 2, without a traceback."""
    with pytest.raises(SystemExit) as ended:
        main(['executable', '--ros-args', *args])
    assert ended.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith('affect_perception: ')]
    return line


@pytest.mark.parametrize(
    ('args', 'says'),
    [
        (['-p', 'polcy:=x'], r'agent_node has no parameter polcy; did you mean policy\?'),
        (['-p', 'agent_nod:policy:=x'], r'there is no node agent_nod; did you mean agent_node\?'),
        (['-p', 'agent_node:polcy:=x'], 'did you mean policy'),
        (['--params-file', '/no/such.yaml'], r'cannot read the parameter file /no/such.yaml \(No such file'),
        (['-r', 'a b:=c'], 'ROS 2 does not start'),
        (['-p', 'policy'], 'agent_node has no parameter|ROS 2 does not start'),
    ],
)
def test_mistake_on_the_command_line_is_one_line(capsys, args, says):
    line = refusal(capsys, agent_node.main, *args)
    assert re.search(says, line), line


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('agent_node: [', 'is no YAML'),
        ('agent_node: ' + '[' * 100_000, 'is no YAML'),
        ('agent_node: &a {ros__parameters: {}, b: *a}', 'is no YAML'),
        ('agent_node: {policy: x}', 'has no section NODE: ros__parameters'),
        ('/**/agent_node:\n  ros__parameters: {polcy: x}', 'agent_node has no parameter polcy; did you mean policy'),
        ('robot1:\n  agent_node:\n    ros__parameters: {polcy: x}', 'did you mean policy'),
    ],
)
def test_mistake_in_a_parameter_file_is_one_line(capsys, tmp_path, text, says):
    assert says in refusal(capsys, agent_node.main, '--params-file', written(tmp_path, text))


@pytest.mark.parametrize('topic', ['a b', '', '//', '1st/image', 'image/'])
def test_name_that_no_topic_can_have_is_refused(topic):
    with pytest.raises(ConfigError, match='image_topic'):
        TrackerSettings(image_topic=topic)
    for name in ('image', '/cam/image_raw', '~/image', '{node}/image'):
        assert TrackerSettings(image_topic=name).image_topic == name


def test_name_that_no_topic_can_have_is_one_line_at_start(capsys):
    assert 'is no topic name' in refusal(capsys, face_tracker_node.main, '-p', 'image_topic:="a b"')


def test_parameter_of_the_wrong_type_is_one_line(capsys):
    assert 'autostart' in refusal(capsys, face_tracker_node.main, '-p', 'autostart:=5')


def test_shared_file_is_warned_of_only_where_it_is_nearly_ours(tmp_path):
    text = """
/**:
  ros__parameters: {use_sim_time: true, detecter: dlib_hog, max_vel_x: 0.5}
/**/face_traker_node:
  ros__parameters: {detector: dlib_hog}
controller_server:
  ros__parameters: {controller_frequency: 20.0}
affect_node:
  ros__parameters:
    latency_warn_ms: 300.0
    qos_overrides: {/face_affect: {publisher: {depth: 5}}}
"""
    warnings = check_parameters(['--ros-args', '--params-file', written(tmp_path, text)], NODES)
    assert len(warnings) == 2
    assert 'no node has a parameter detecter; did you mean detector?' in warnings[0]
    assert 'there is no node /**/face_traker_node; did you mean face_tracker_node?' in warnings[1]


def test_renamed_node_knows_its_parameters():
    args = ['--ros-args', '-r', '__node:=nods', '-p', 'nods:policy:=x']
    assert check_parameters(args, ['agent_node']) == []


@pytest.mark.parametrize(
    ('name', 'value'), [('ROS_DOMAIN_ID', 'abc'), ('ROS_DOMAIN_ID', '233'), ('ROS_LOG_DIR', '/dev/null/log')]
)
def test_environment_that_ros_cannot_use_is_one_line(capsys, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert name in refusal(capsys, agent_node.main)


def test_middleware_that_is_not_installed_is_refused_before_rclpy_ends_the_process(monkeypatch):
    installed = installed_middlewares()
    assert installed
    monkeypatch.setenv('RMW_IMPLEMENTATION', installed[0])
    check_middleware()
    env = {**os.environ, 'RMW_IMPLEMENTATION': 'rmw_fastrtp_cpp'}
    command = [sys.executable, '-m', 'affect_perception.cli', 'run', '--source', 'scene']
    result = subprocess.run(command, capture_output=True, text=True, env=env, timeout=200)
    assert result.returncode == 2
    assert result.stderr.startswith("affect-perception: RMW_IMPLEMENTATION = 'rmw_fastrtp_cpp' is not installed")
