"""An exception in any callback of any node: counted in its diagnostics, told once, and the node goes on.

The nodes are found in the folder, their callbacks in rclpy: a new one is tested, or fails here, by itself.
"""

import inspect
import pkgutil
from importlib import import_module
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from builders import hri_msgs
from conftest import wait_until
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import String

import affect_perception.nodes
from affect_perception.nodes.recorder_node import Recording
from affect_perception.ros.health.callbacks import GUARDED, guarded
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.inputs.on_demand import OnDemand, WhileWanted
from affect_perception.ros.topics import subscribe
from affect_perception.settings import TrackerSettings

pytestmark = pytest.mark.ros

NODES = {
    f'{module.name}': kind
    for module in pkgutil.iter_modules(affect_perception.nodes.__path__)
    for _, kind in inspect.getmembers(import_module(f'affect_perception.nodes.{module.name}'), inspect.isclass)
    if issubclass(kind, Node) and kind.__module__.endswith(module.name)
}
WITHOUT_LIVE_NUMBERS = {'monitor_node', 'camera_node', 'hri_node', 'recorder_node', 'audio_node'}
NOT_STARTED = {'parameter_overrides': [Parameter('autostart', value=False)]}  # the network and the detector stay out


def make(name: str, tmp_path) -> Node:
    """The node with all its subscriptions."""
    if name == 'recorder_node':
        pytest.importorskip('rosbags', reason='needs rosbags (pip install affect-perception[bags])')
        return NODES[name](Recording(tmp_path / 'bag', images=True), TrackerSettings(), Image)
    if name == 'camera_node':
        return NODES[name]({'source': 'scene', 'rate': 0.0})
    if name == 'hri_node':
        hri_msgs.load()
    if name == 'dashboard_node':
        pytest.importorskip('aiohttp', reason='needs aiohttp (extra `web`)')
        return NODES[name]({'dashboard_port': 0})
    if name in ('affect_node', 'face_tracker_node'):
        node = NODES[name](**NOT_STARTED)
        node.begin()
        return node
    return NODES[name]()


@pytest.fixture
def made(ros, tmp_path):
    """Makes a node by name, which is closed at the end."""
    nodes = []

    def start(name: str) -> Node:
        node = make(name, tmp_path)
        nodes.append(node)
        for _, subscribe_to in node.demand._inputs.values() if hasattr(node, 'demand') else ():
            subscribe_to()
        if hasattr(node, 'watch_agent'):
            node.watch_agent()
        return node

    yield start
    for node in nodes:
        node.close()
        node.destroy_node()


def callbacks(node: Node) -> list:
    """The callbacks of the package: those of rclpy itself (parameter services, lifecycle) are left out."""
    entities = [*node.subscriptions, *node.timers, *node.services]
    events = [event for subscription in node.subscriptions for event in subscription.event_handlers]
    called = [entity.callback for entity in (*entities, *events)]
    return [call for call in called if not getattr(call, '__module__', 'rclpy').startswith('rclpy')]


def fail(*_: object) -> None:
    raise LookupError('injected')


@pytest.mark.parametrize('name', sorted(NODES))
def test_an_exception_in_a_callback_is_counted_and_does_not_leave_it(made, name):
    node = made(name)
    found = callbacks(node)
    assert len(found) >= 1
    for count, callback in enumerate(found, 1):
        assert hasattr(callback, GUARDED), f'{callback} of {name}: make it by ros/health/callbacks.py or ros/topics.py'
        setattr(callback, GUARDED, fail)
        callback(*[None] * len(inspect.signature(callback).parameters))
        counted = node.diagnostics.bad_inputs['internal'] if hasattr(node, 'diagnostics') else 0
        assert counted + sum(node.failures.counts.values() if hasattr(node, 'failures') else ()) == count


@pytest.mark.parametrize('name', sorted(set(NODES) - {'monitor_node'}))
def test_an_exception_in_any_part_of_the_report_leaves_the_rest_of_it(made, name, monkeypatch):
    node = made(name)
    sent = []
    monkeypatch.setattr(node.diagnostics, '_publisher', SimpleNamespace(publish=sent.append))
    for part in ('_dropped', '_details', '_problem', '_idle_reason'):
        monkeypatch.setattr(node.diagnostics, part, fail)
        node.diagnostics.report()
    assert len(sent) == 4
    assert node.diagnostics.bad_inputs['internal'] == 1 + 2 + 3 + 4


def test_a_service_whose_work_fails_answers_that(made):
    node = made('affect_node')
    (service,) = (service for service in node.services if service.srv_name.endswith('calibrate_neutral'))
    setattr(service.callback, GUARDED, fail)
    answer = service.callback(service.srv_type.Request(), service.srv_type.Response())
    assert (answer.success, answer.message) == (False, 'LookupError: injected')


@pytest.mark.parametrize('name', sorted(set(NODES) - WITHOUT_LIVE_NUMBERS))
def test_a_parameter_whose_change_fails_is_refused_with_the_reason(made, name, monkeypatch):
    node = made(name)
    live = next(s for s in type(node.settings).declared() if s.live and s.type in (int, float))
    for part in ('tracker', 'engine', '_policy', '_server', '_face_markers', '_overlay'):
        if hasattr(node, part):
            monkeypatch.setattr(node, part, SimpleNamespace(dropped=0, close=lambda: None))
    before = node.get_parameter(live.name).value
    (result,) = node.set_parameters([Parameter(live.name, value=type(before)(live.high or before + 1))])
    if name != 'marker_node':  # sets attributes only
        assert isinstance(result, SetParametersResult)
        assert not result.successful
        assert 'SimpleNamespace' in result.reason
        assert node.get_parameter(live.name).value == before


def test_an_input_on_demand_that_fails_stops_no_other(ros):
    node, made_too = Node('lazy'), []
    node.diagnostics = NodeDiagnostics(node, lambda: 0)
    demand = OnDemand(node, {'first': (lambda: True, fail), 'second': (lambda: True, lambda: made_too.append(1))})
    demand.update()
    demand.update()
    assert (demand.active, made_too) == ({'second'}, [1])
    assert node.diagnostics.bad_inputs['internal'] == 2
    node.destroy_node()


def test_a_group_that_cannot_tell_lets_messages_pass():
    group = WhileWanted(fail)
    assert group.can_execute(None)
    assert group.beginning_execution(None)


def test_a_guarded_callback_that_finds_its_publisher_destroyed_counts_nothing(ros):
    node = Node('deactivating')
    node.diagnostics = NodeDiagnostics(node, lambda: 0)
    publisher = node.create_publisher(String, 'said', 10)
    node.destroy_publisher(publisher)
    guarded(node, lambda: publisher.publish(String()))()
    assert not node.diagnostics.bad_inputs
    node.destroy_node()


def test_a_node_goes_on_spinning_after_messages_that_fail(spin):
    node, peer, got = Node('listener'), Node('speaker'), []

    def take(msg: String) -> None:
        got.append(msg.data)
        fail()

    node.diagnostics = NodeDiagnostics(node, lambda: 0)
    subscribe(node, String, 'said', take)
    publisher = peer.create_publisher(String, 'said', 10)
    spin(node, peer)
    wait_until(publisher.get_subscription_count)
    for text in ('first', 'second'):
        publisher.publish(String(data=text))
    wait_until(lambda: got == ['first', 'second'])
    wait_until(lambda: node.diagnostics.bad_inputs['internal'] == 2)


@pytest.mark.parametrize('value', ['²', '9' * 5000, '', '-1', 'nan', '٣'])
def test_no_value_of_diagnostics_stops_the_page(made, value):
    node = made('dashboard_node')
    take = next(s.callback for s in node.subscriptions if s.topic_name == '/diagnostics')
    status = DiagnosticStatus(name='affect_perception: affect_node: inference', level=b'\x00')
    status.values = [KeyValue(key='frames_dropped', value=value)]
    take(DiagnosticArray(status=[status]))
    assert node._compose()['type'] == 'state'
    assert not node.diagnostics.bad_inputs
