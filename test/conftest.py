"""Fixtures of all tests: a ROS domain of their own, the folder of real data if any, waits and tests with a limit."""

import faulthandler
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')

# Started in the background by a shell, tests and their children would ignore Ctrl-C.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / 'shared' / 'data'


# pytest-timeout raises an exception in the test, once; that ends neither a wait inside a C++ library nor a later one
# in a fixture. A process of tests that hangs on prints the stacks of its threads and ends; the run goes on in another.
GRACE_S = 60.0
# Where pytest-xdist itself waits for ever, the run ends with status 2.
_stderr = None  # that of the process: while a test runs, descriptor 2 is pytest's
_ended = []  # processes of tests that ended early
_reported_s = time.monotonic()  # when the last test ended, in any process


_domain = None  # what holds the ROS domain of this process


def pytest_configure(config):
    global _stderr
    _stderr = os.fdopen(os.dup(2), 'w')
    hold_domain()
    waits = 'PYTEST_XDIST_WORKER' not in os.environ and config.getoption('numprocesses', None)
    if waits and config.pluginmanager.hasplugin('timeout') and (limit_s := _limit_of_all_s(config)):
        silent_s = 4 * (limit_s + 3 * GRACE_S)  # some tests have a limit of their own
        threading.Thread(target=_end_when_silent, args=(silent_s,), name='silence', daemon=True).start()


def _end_when_silent(silent_s):
    """End the run once no test has ended for so long; a test that hangs is ended much earlier."""
    while time.monotonic() - _reported_s < silent_s:
        time.sleep(1)
    print(f'no test has ended for {silent_s:.0f} s, in no process; tests were left out', file=_stderr, flush=True)
    faulthandler.dump_traceback(_stderr)
    os._exit(pytest.ExitCode.INTERRUPTED)


def pytest_runtest_logreport():
    global _reported_s
    _reported_s = time.monotonic()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """`--dist loadfile` that goes on after a process of tests has died.

    pytest-xdist 3.8 gives the files that it had finished to the others as well; who gets nothing to do in them is
    given nothing any more, and all wait for ever.
    """
    if config.getvalue('dist') != 'loadfile':
        return None
    from xdist.scheduler import LoadFileScheduling

    class UnfinishedFiles(LoadFileScheduling):
        def remove_node(self, node):
            files = self.assigned_work[node]
            for file in [file for file, ended in files.items() if all(ended.values())]:
                del files[file]
            return super().remove_node(node)

    return UnfinishedFiles(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    if error:
        _ended.append(node)


def pytest_sessionfinish(session):
    """After one process more than pytest-xdist replaces, tests were left out, which is more than a failure."""
    replaced = session.config.getoption('maxworkerrestart', None)
    if replaced is not None and len(_ended) > int(replaced):
        session.exitstatus = pytest.ExitCode.INTERRUPTED


def hold_domain():
    """Give this process a ROS domain of its own until it ends, unless it was given one by its user."""
    global _domain
    if 'ROS_DOMAIN_ID' not in os.environ or 'PYTEST_XDIST_WORKER' in os.environ:
        domain, _domain = take_domain(os.getpid())
        os.environ['ROS_DOMAIN_ID'] = str(domain)


def take_domain(number: int) -> tuple[int, socket.socket | None]:
    """The first ROS domain from `number` on (modulo 60) that no other process of tests on this machine holds.

    It is held until the socket, which may be None, is closed: nodes of other tests would answer these, and be answered.
    """
    for i in range(60):
        domain = 30 + (number + i) % 60
        held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            held.bind(('127.0.0.1', 7000 + domain))  # below the ports of DDS; freed also when the process is killed
            return domain, held
        except OSError:
            held.close()
    return 30 + number % 60, None


def _limit_s(item) -> float:
    """pytest-timeout's limit for this test; 0: none."""
    if marker := item.get_closest_marker('timeout'):
        return float(marker.args[0])
    return _limit_of_all_s(item.config)


def _limit_of_all_s(config) -> float:
    """pytest-timeout's limit for tests without one of their own; 0: none."""
    given = config.getoption('timeout', None)
    return float(config.getini('timeout') if given is None else given)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    if item.config.pluginmanager.hasplugin('timeout') and (limit_s := _limit_s(item)):
        faulthandler.dump_traceback_later(limit_s + GRACE_S, exit=True, file=_stderr)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item):
    faulthandler.dump_traceback_later(2 * GRACE_S, exit=True, file=_stderr)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def priority_of_every_test():
    """A test leaves the scheduling of its process as it was: at real-time priority, later ones starve the machine."""
    if not hasattr(os, 'sched_getscheduler'):
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    yield
    after = os.sched_getscheduler(0), os.sched_getparam(0)
    if after != before:
        os.sched_setscheduler(0, *before)
        pytest.fail(f'scheduling policy and priority {before} became {after}')


@pytest.fixture(autouse=True)
def patience_with_detectors(request, monkeypatch):
    """Detectors of idle priority may wait for a core as long as it takes: other tests work beside this one."""
    if 'starved' not in request.node.name:
        monkeypatch.setattr('affect_perception.detectors.detector_process.STARVED_S', 120.0)


@pytest.fixture(autouse=True)
def transports_of_every_test(monkeypatch):
    """A test that starts ROS as our executables do chooses the transports of no other test."""
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        if name not in os.environ:
            monkeypatch.setenv(name, '')
            monkeypatch.delenv(name)


@pytest.fixture
def data() -> Path:
    """The shared data sets, which a newcomer does not have."""
    if not DATA.is_dir():
        pytest.skip(f'needs the data sets in {DATA}, which are not part of the package')
    return DATA


@pytest.fixture
def ros():
    """A ROS context for one test."""
    rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
    pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture
def spin(ros):
    """Spins nodes until the test ends; returns the first."""
    from affect_perception.ros.executors import Spinner

    spinning = []

    def start(*nodes):
        spinning.append((nodes, Spinner(nodes)))
        return nodes[0]

    yield start
    for nodes, spinner in spinning:
        for node in nodes:
            if hasattr(node, 'close'):
                node.close()
        spinner.close()
        for node in nodes:
            node.destroy_node()


def wait_until(true, timeout_s: float = 60.0):
    """The first true answer of `true()`; fails the test when there is none in time."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        answer = true()
        if answer:
            return answer
        time.sleep(0.01)
    pytest.fail(f'{true} was not true within {timeout_s} s')
