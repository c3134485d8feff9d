"""A user's node, and tracked frames, for tests of real nodes."""

import cv2
from rclpy.node import Node
from skimage import data as pictures

from affect_perception.ros import qos
from affect_perception.types import Box, Track, TrackedFrame

T0 = 1_795_000_000_000_000_000
PERIOD = 33_333_333
ASTRONAUT = pictures.astronaut()


class Peer(Node):
    """A user's node: publishes on one topic, collects what comes on others (`got`, messages by topic)."""

    def __init__(self, publishes=None, subscribes=()):
        super().__init__('peer')
        self.got = {topic: [] for topic, _ in subscribes}
        self.publisher = self.create_publisher(publishes[1], publishes[0], qos.RESULTS) if publishes else None
        self.subscribed = {
            topic: self.create_subscription(kind, topic, self.got[topic].append, 50) for topic, kind in subscribes
        }

    def is_matched(self) -> bool:
        """Whether the publisher has a subscription, and every subscription but that of diagnostics a publisher."""
        topics = [topic for topic in self.subscribed if topic != '/diagnostics']
        return bool(
            (self.publisher is None or self.publisher.get_subscription_count())
            and all(self.subscribed[topic].get_publisher_count() for topic in topics)
        )


def tracked(stamp_ns=T0, faces=1) -> TrackedFrame:
    crop = cv2.resize(ASTRONAUT[60:240, 140:320], (96, 96), interpolation=cv2.INTER_AREA)
    tracks = tuple(Track(i + 1, Box(10.0 * i, 20, 50, 50), 0.9, 0.1, crop) for i in range(faces))
    return TrackedFrame(stamp_ns, 'optical', 640, 480, tracks)
