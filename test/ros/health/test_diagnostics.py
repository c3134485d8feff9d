"""Diagnostics: levels by thresholds, names that an aggregator can sort, and what a node says of itself."""

import socket

import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.parameter import Parameter

from affect_perception.errors import BadInputError
from affect_perception.ros.executors import Spinner
from affect_perception.ros.health.diagnostics import TASKS, NodeDiagnostics
from affect_perception.ros.health.node_level import Activity, diagnose
from affect_perception.settings import GROUPS, DiagnosticsSettings

pytestmark = pytest.mark.ros

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE


@pytest.mark.parametrize(
    ('activity', 'level', 'says'),
    [
        (Activity(1.0, processed=30), OK, '30 frames per second'),
        (Activity(1.0, silent_s=None), STALE, 'nothing has come yet'),
        (Activity(1.0, processed=30, bad=1), WARN, '1 bad inputs'),
        (Activity(1.0, processed=1, bad=1), WARN, '1 bad inputs'),
        (Activity(1.0, processed=10, bad=20), ERROR, '20 bad inputs'),
        (Activity(1.0, bad=1, silent_s=None), WARN, '1 bad inputs'),
        (Activity(1.0, processed=10, dropped=20), WARN, '67% of the images'),
        (Activity(1.0, processed=1, dropped=59), ERROR, '98% of the images'),
        (Activity(1.0, processed=10, dropped=10), OK, '10 frames'),
        (Activity(1.0, processed=30, latency_ms=300.0), WARN, 'latency 300 ms'),
        (Activity(1.0, processed=30, latency_ms=1500.0), ERROR, 'latency 1500 ms'),
        (Activity(1.0, processed=30, latency_ms=4e9), WARN, 'not of this clock'),
        (Activity(1.0, processed=30, latency_ms=-4e9), WARN, 'not of this clock'),
        (Activity(1.0, silent_s=3.0), WARN, 'nothing has come for 3 s'),
        (Activity(1.0, silent_s=20.0), ERROR, 'nothing has come for 20 s'),
        (Activity(1.0, processed=30, bad=1, latency_ms=1500.0), ERROR, '1 bad inputs in the last second; latency'),
    ],
)
def test_level_follows_the_thresholds(activity, level, says):
    assert diagnose(activity, DiagnosticsSettings())[0] == level
    assert says in diagnose(activity, DiagnosticsSettings())[1]


def test_every_node_with_settings_has_a_name_for_what_it_does():
    assert {node for node in GROUPS if node.endswith('_node')} | {'recorder_node'} == set(TASKS)


@pytest.fixture
def watched(ros):
    """A node with diagnostics in a namespace: both, the state of its callbacks, a function for its newest status."""
    node, peer = Node('affect_node', namespace='robot1'), Node('peer')
    got, state, asked = [], {'problem': '', 'idle_reason': ''}, [0]
    peer.create_subscription(DiagnosticArray, '/diagnostics', got.append, 10)
    diagnostics = NodeDiagnostics(
        node,
        lambda: 0,
        lambda: {'model': 'first', 'asked': asked[0]},
        lambda: state['problem'],
        lambda: state['idle_reason'],
    )
    spinner = Spinner([peer])

    def newest() -> bool:
        """Whether the status of the present request is there: earlier ones may come late."""
        diagnostics.report()
        values = {v.key: v.value for v in got[-1].status[0].values} if got else {}
        return values.get('asked') == str(asked[0])

    def status():
        asked[0] += 1
        wait_until(newest)
        return got[-1].status[0]

    yield node, diagnostics, state, status
    spinner.close()
    for one in (node, peer):
        one.destroy_node()


def test_name_says_package_node_and_task(watched):
    status = watched[3]()
    assert status.name == 'affect_perception: robot1/affect_node: inference'
    assert status.hardware_id == socket.gethostname()


def test_status_holds_rate_latency_drops_bad_inputs_and_details(watched):
    _, diagnostics, _, status = watched
    diagnostics.done(12.0)
    diagnostics.bad_input(BadInputError('size', 'a picture of 0x0'))
    values = {v.key: v.value for v in status().values}
    assert values['frames_processed'] == values['bad_inputs'] == values['bad_inputs_size'] == '1'
    assert values['frames_dropped'] == '0'
    assert values['latency_ms_p95'] == '12.0'
    assert values['model'] == 'first'
    assert 'rate_hz' in values


def test_problem_is_an_error_and_rest_is_not(watched):
    *_, state, status = watched
    state['idle_reason'] = 'nobody is subscribed'
    assert (status().level, status().message) == (OK, 'nobody is subscribed')
    state['problem'] = 'the policy raised KeyError'
    assert status().level == ERROR
    assert 'KeyError' in status().message


def test_thresholds_are_parameters_that_can_be_changed(watched):
    node, diagnostics, _, status = watched
    diagnostics.done(200.0)
    assert status().level == OK
    assert node.set_parameters([Parameter('latency_warn_ms', value=100.0)])[0].successful
    diagnostics.done(200.0)
    assert wait_until(lambda: diagnostics.done(200.0) or status().level == WARN)
    assert not node.set_parameters([Parameter('drops_warn', value=2.0)])[0].successful


def test_failures_of_a_part_are_counted_by_kind_and_the_silence_of_inputs_goes_on(watched):
    _, diagnostics, state, status = watched
    diagnostics.event('detector', 'the detector process did not answer', 'it is restarted')
    diagnostics.event('detector', 'the detector process did not answer', 'it is restarted')
    state['problem'] = 'no detection for 12 s'
    newest = status()
    assert {v.key: v.value for v in newest.values}['bad_inputs_detector'] == '2'
    assert newest.level == ERROR
    assert newest.message.startswith('no detection for 12 s')


def test_stamps_ahead_give_no_latency_and_one_warning(watched, monkeypatch):
    node, diagnostics, _, status = watched
    warnings = []
    monkeypatch.setattr(type(node.get_logger()), 'warning', lambda _, text, **__: warnings.append(text))
    for _ in range(3):
        diagnostics.done(-2977.0)
    newest = status()
    assert newest.level == WARN
    assert 'the stamps are 3.0 s ahead of this clock' in newest.message
    assert {v.key: v.value for v in newest.values}['latency_ms_p95'] == '-'
    assert wait_until(lambda: diagnostics.done(1.8e12) or 'not of this clock' in status().message)
    assert 'latency' not in diagnostics.timings_ms()
    assert len(warnings) == 1
    newest = wait_until(lambda: diagnostics.done(12.0) or ((s := status()).level == OK and s))
    assert {v.key: v.value for v in newest.values}['latency_ms_p95'] == '12.0'


def test_time_of_a_simulation_that_never_comes_is_told_although_it_stands_still(ros, monkeypatch):
    monkeypatch.setattr('affect_perception.ros.health.diagnostics._NO_CLOCK_S', 0.1)
    node, peer = Node('affect_node', parameter_overrides=[Parameter('use_sim_time', value=True)]), Node('peer')
    got = []
    peer.create_subscription(DiagnosticArray, '/diagnostics', got.append, 10)
    NodeDiagnostics(node, lambda: 0)
    spinner = Spinner([node, peer])
    try:
        wait_until(lambda: any('nothing has come on /clock' in a.status[0].message for a in got))
        assert got[-1].status[0].level >= WARN
    finally:
        spinner.close()
        for one in (node, peer):
            one.destroy_node()


def test_lasting_condition_is_a_warning_until_it_ends(watched):
    _, diagnostics, state, status = watched
    state['idle_reason'] = 'nobody is subscribed'
    diagnostics.warn('publishers', '2 nodes publish on /image')
    assert (status().level, status().message) == (WARN, '2 nodes publish on /image; nobody is subscribed')
    diagnostics.warn('publishers', '')
    assert wait_until(lambda: status().level == OK)
