"""The quality-of-service policies of the package; each can be overridden from YAML (`qos_overrides./topic...`)."""

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

__all__ = ['IMAGES', 'NEWEST_RESULT', 'RELIABLE_IMAGES', 'RESULTS', 'SubscriptionEventCallbacks', 'overridable']

# Images: newest only. Best effort on the reader's side matches reliable and best-effort cameras alike.
IMAGES = QoSProfile(depth=1, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.BEST_EFFORT)
# For replays that must not lose a frame; needs a publisher that is reliable too.
RELIABLE_IMAGES = QoSProfile(depth=1, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)
# The newest of what we publish, for those who may miss some.
NEWEST_RESULT = RELIABLE_IMAGES
# What we publish.
RESULTS = QoSProfile(depth=10, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)


def overridable() -> QoSOverridingOptions:
    """Lets YAML change history, depth and reliability of one publisher or subscription."""
    return QoSOverridingOptions.with_default_policies()
