"""Publishers and subscriptions of the nodes, all with QoS that YAML can override."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from affect_perception.ros import qos
from affect_perception.ros.callbacks import guarded


def advertise(node: Node, msgtype: type, topic: str, profile: QoSProfile = qos.RESULTS) -> Publisher:
    """Publisher of `node` on `topic`."""
    return node.create_publisher(msgtype, topic, profile, qos_overriding_options=qos.overridable())


def subscribe(
    node: Node,
    msgtype: type,
    topic: str,
    callback: Callable[[Any], None],
    profile: QoSProfile = qos.RESULTS,
    group: CallbackGroup | None = None,
    **options: Any,
) -> Subscription:
    """Subscription of `node` to `topic`, whose callback is guarded; `options` are passed to rclpy."""
    return node.create_subscription(
        msgtype,
        topic,
        guarded(node, callback),
        profile,
        callback_group=group,
        qos_overriding_options=qos.overridable(),
        **options,
    )


def image_type(topic: str, transport: str) -> type[Image] | type[CompressedImage]:
    """Message type of an image topic; `transport` is auto (by the suffix /compressed), raw or compressed."""
    if transport == 'auto':
        transport = 'compressed' if topic.endswith('/compressed') else 'raw'
    return CompressedImage if transport == 'compressed' else Image


def sibling_topic(topic: str, name: str) -> str:
    """Topic `name` in the namespace of an image topic, whose suffix /compressed does not count.

    (.../image_raw and .../image_raw/compressed have .../camera_info.)
    """
    base = topic.removesuffix('/compressed')
    return f'{base.rpartition("/")[0]}/{name}' if '/' in base else name
