"""The counters of `affect-perception run`."""

import pytest
from conftest import wait_until

pytestmark = pytest.mark.ros


def test_longest_gap_is_that_between_the_stamps_of_two_results(ros):
    from rclpy.node import Node

    from affect_perception.msg import FaceAffectArray
    from affect_perception.nodes.monitor_node import MonitorNode
    from affect_perception.ros import qos
    from affect_perception.ros.conversions import affect_to_msg
    from affect_perception.types import AffectFrame

    monitor, peer = MonitorNode(), Node('peer')
    publisher = peer.create_publisher(FaceAffectArray, 'face_affect', qos.RESULTS)
    wait_until(publisher.get_subscription_count)
    for milliseconds in (0, 33, 133, 166):
        publisher.publish(affect_to_msg(AffectFrame(1_000_000_000 + milliseconds * 1_000_000, '', 'model', ())))

    def all_counted() -> bool:
        ros.spin_once(monitor, timeout_sec=0.05)
        return monitor.messages == 4

    wait_until(all_counted)
    assert monitor.longest_gap_s == pytest.approx(0.1)
    assert monitor.last.stamp_ns == 1_166_000_000
    for node in (monitor, peer):
        node.destroy_node()


def test_the_progress_line_names_a_speaker():
    pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
    from affect_perception.nodes.monitor_node import in_words
    from affect_perception.types import Affect, Box

    def words(speaking: float) -> str:
        return in_words(Affect(3, Box(0, 0, 9, 9), 0.9, (0, 0, 0, 1), 0.91, speaking=speaking))

    assert [words(value) for value in (float('nan'), 0.2, 0.8)] == ['3 high 0.91', '3 high 0.91', '3 high 0.91 speaks']
