"""Quality-of-service profiles of the package; each can be overridden from YAML (`qos_overrides./topic...`)."""

from __future__ import annotations

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

__all__ = [
    'CAMERA_IMAGES',
    'IMAGES',
    'NEWEST_RESULT',
    'RELIABLE_IMAGES',
    'RESULTS',
    'SubscriptionEventCallbacks',
    'overridable',
]

# Images, newest only: hears reliable and best-effort publishers alike, and loses most large images of other processes.
IMAGES = QoSProfile(depth=1, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.BEST_EFFORT)
# Images of camera_node. Reliable, as an image of several pieces seldom reaches another process otherwise; the queue is
# for pieces that are asked for again. (How images are read: adaptive_subscription.py.)
CAMERA_IMAGES = QoSProfile(depth=5, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)
# Images of replays that must not lose a frame; needs a reliable publisher.
RELIABLE_IMAGES = QoSProfile(depth=1, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)
# The newest result, for subscribers that may miss some.
NEWEST_RESULT = RELIABLE_IMAGES
# Results.
RESULTS = QoSProfile(depth=10, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)


def overridable() -> QoSOverridingOptions:
    """Options of a publisher or subscription that let YAML override history, depth and reliability."""
    return QoSOverridingOptions.with_default_policies()
