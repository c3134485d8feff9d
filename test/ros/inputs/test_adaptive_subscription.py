"""A subscription that is made anew while other threads ask about it."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from std_msgs.msg import String

from affect_perception.ros.inputs.adaptive_subscription import AdaptiveSubscription

pytestmark = pytest.mark.ros

BEST_EFFORT = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)


def test_number_of_publishers_may_be_asked_for_while_the_subscription_is_made_anew(ros, monkeypatch):
    reader, driver = Node('reader'), Node('driver')
    subscription = AdaptiveSubscription(reader, lambda: ('image', String), lambda msg: None)
    assert subscription.request.reliable
    pool, answers = ThreadPoolExecutor(1), []
    destroy = reader.destroy_subscription

    def destroy_and_let_others_ask(old) -> None:
        destroy(old)
        answers.append(pool.submit(lambda: subscription.matched))
        wait(answers, 0.2)  # the answer comes now, or waits until the new subscription is there

    def is_made_anew() -> bool:
        subscription.update()
        return not subscription.request.reliable

    monkeypatch.setattr(reader, 'destroy_subscription', destroy_and_let_others_ask)
    driver.create_publisher(String, 'image', BEST_EFFORT)
    wait_until(is_made_anew)
    monkeypatch.undo()
    assert isinstance(answers[0].result(60), int)
    subscription.close()
    assert subscription.matched == 0
    for node in (reader, driver):
        node.destroy_node()
