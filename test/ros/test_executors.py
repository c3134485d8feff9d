"""Callbacks that fail leave their node running."""

import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from conftest import ROOT, wait_until
from rclpy.node import Node
from std_msgs.msg import String

from affect_perception.ros import executors
from affect_perception.ros.executors import Spinner

pytestmark = pytest.mark.ros


class Teller(Node):
    """Publishes every 10 ms, also when its publisher has been destroyed in the meantime."""

    def __init__(self):
        super().__init__('teller')
        self.calls = 0
        self.failed: list[str] = []
        self.publisher = self.create_publisher(String, 'said', 10)
        self.create_timer(0.01, self.tell)

    def tell(self) -> None:
        self.calls += 1
        try:
            self.publisher.publish(String(data='something'))
        except Exception as error:
            self.failed.append(type(error).__name__)
            raise


@pytest.fixture
def teller(ros, monkeypatch):
    said: list[str] = []

    class Log:
        error = staticmethod(said.append)

    monkeypatch.setattr(executors, 'get_logger', lambda name: Log)
    node = Teller()
    spinner = Spinner([node])
    yield node, said
    spinner.close()
    node.destroy_node()


def test_callback_that_finds_its_publisher_destroyed_is_no_error_and_the_node_goes_on(teller):
    node, said = teller
    wait_until(lambda: node.calls > 2)
    node.destroy_publisher(node.publisher)  # as a node does that is deactivated
    wait_until(lambda: len(node.failed) > 2)
    assert set(node.failed) == {'InvalidHandle'}
    assert said == []


def test_callback_that_raises_anything_else_is_said_and_the_node_goes_on(teller):
    node, said = teller
    node.publisher = None
    wait_until(lambda: len(node.failed) > 2)
    assert set(said) == {"AttributeError in a callback: 'NoneType' object has no attribute 'publish'"}


def test_a_signal_that_comes_twice_at_once_is_one():
    code = """
import os, signal
from affect_perception.ros.executors import stop_on_signals

with stop_on_signals() as stop:
    for _ in range(2):  # ros2 launch passes on what the terminal has sent to everybody
        os.kill(os.getpid(), signal.SIGINT)
    print(stop.is_set())
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, 'True\n'), done.stderr
