"""Publishers and subscriptions of the nodes, all with QoS that YAML can override."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from affect_perception.ros import qos
from affect_perception.ros.health.callbacks import guarded

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


def advertise(node: Node, msgtype: type, topic: str, profile: QoSProfile = qos.RESULTS) -> Publisher:
    """Publisher of `node` on `topic`."""
    # A copy: overrides from YAML are written into the profile.
    return node.create_publisher(msgtype, topic, copy(profile), qos_overriding_options=qos.overridable())


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
        copy(profile),  # as above
        callback_group=group,
        qos_overriding_options=qos.overridable(),
        **options,
    )


def find_images(node: Node, topic: str, transport: str) -> tuple[str, type[Image] | type[CompressedImage]]:
    """Topic and message type of the images of `topic`, by its resolved name and by what is published there now.

    `transport` auto: the type that is published; before anything is, compressed if the resolved name ends in
    /compressed. compressed: the topic itself if it carries or is named so, else, as image_transport does,
    /compressed beside it.
    """
    name = node.resolve_topic_name(topic)
    published = {info.topic_type for info in node.get_publishers_info_by_topic(name)}
    is_compressed = COMPRESSED in published or (RAW not in published and name.endswith('/compressed'))
    if transport == 'compressed' and not is_compressed:
        return f'{name}/compressed', CompressedImage
    return topic, CompressedImage if is_compressed and transport != 'raw' else Image


def image_topics(node: Node) -> list[str]:
    """Names of the topics on which images are published now, sorted."""
    return sorted(
        name
        for name, types in node.get_topic_names_and_types()
        if {RAW, COMPRESSED} & set(types) and node.count_publishers(name)
    )


def sibling_topic(topic: str, name: str) -> str:
    """Topic `name` in the namespace of an image topic, whose suffix /compressed does not count.

    (.../image_raw and .../image_raw/compressed have .../camera_info.)
    """
    base = topic.removesuffix('/compressed')
    return f'{base.rpartition("/")[0]}/{name}' if '/' in base else name
