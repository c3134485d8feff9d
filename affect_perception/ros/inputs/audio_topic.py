"""Message type of a topic of samples, of the two packages that are called audio_common_msgs."""

from __future__ import annotations

import importlib
import time

from rclpy.node import Node

from affect_perception.errors import ConfigError

TYPES = ('AudioDataStamped', 'AudioData', 'AudioStamped')  # of ros-drivers; the last of mgonzs13's audio_common
_WAIT_S = 2.0


def sound_type(node: Node, topic: str) -> type:
    """Type of the topic, of its publisher if there is one in 2 s, else the first of TYPES that is installed.

    ConfigError where audio_common_msgs is not installed, and for a topic of another type.
    """
    try:
        messages = importlib.import_module('audio_common_msgs.msg')
    except ImportError:
        raise ConfigError(
            f'topic:{topic} needs audio_common_msgs: apt install ros-$ROS_DISTRO-audio-common-msgs'
        ) from None
    known = {f'audio_common_msgs/msg/{name}': getattr(messages, name) for name in TYPES if hasattr(messages, name)}
    name = node.resolve_topic_name(topic)
    deadline = time.monotonic() + _WAIT_S
    while True:
        published = dict(node.get_topic_names_and_types()).get(name, [])
        for kind in published:
            if kind in known:
                return known[kind]
        if published:
            raise ConfigError(f'{name} has the type {published[0]}; wanted one of: {", ".join(known)}')
        if time.monotonic() > deadline:
            return next(iter(known.values()))
        time.sleep(0.1)
