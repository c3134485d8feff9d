"""recorder_node: what `affect-perception run --record BAG` keeps, as a rosbag2 with embedded message definitions.

Subscribes `face_tracks`, `face_affect`, `agent_behaviour` (reliable), with `images` also the images of the tracker and,
           where they are published, their camera_info and depth

Messages are taken as they are on the wire and never decoded; another thread writes them (record_bag.py). The times of
recording are those of the node's clock, as rosbag2 does it; the stamps of the images are in the messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from affect_perception.errors import ConfigError
from affect_perception.msg import AgentBehaviour, FaceAffectArray, FaceTrackArray
from affect_perception.ros.depth_input import beside, depth_topic
from affect_perception.settings import TrackerSettings

_DEPTH = 200  # messages that the middleware keeps for a recorder that is late

RESULTS = QoSProfile(depth=_DEPTH, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)
IMAGES = QoSProfile(depth=10, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.BEST_EFFORT)
RELIABLE_IMAGES = QoSProfile(depth=10, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)


@dataclass(frozen=True)
class Recording:
    """What to record: results to `bag`, a folder that must not exist yet; `images` too if asked for."""

    bag: Path
    images: bool = False

    def __post_init__(self):
        if self.bag.exists():  # said before anything is loaded
            raise ConfigError(f'{self.bag} exists already; give another --record, or remove it')


class RecorderNode(Node):
    """Records from its construction until `close`; ConfigError where the bag cannot be written."""

    def __init__(self, recording: Recording, tracker: TrackerSettings, image_type: type, **node_options):
        from affect_perception.ros.bag_writer import BagWriter  # needs rosbags, which others do without

        super().__init__('recorder_node', **node_options)
        self.writer = BagWriter(recording.bag, self.get_logger().warning)
        for kind, topic in (
            (FaceTrackArray, 'face_tracks'),
            (FaceAffectArray, 'face_affect'),
            (AgentBehaviour, 'agent_behaviour'),
        ):
            self._record(kind, topic, RESULTS)
        if recording.images:
            self._record_images(tracker, image_type)

    def _record_images(self, tracker: TrackerSettings, image_type: type[Image] | type[CompressedImage]) -> None:
        policy = RELIABLE_IMAGES if tracker.reliable_images else IMAGES
        name = self.resolve_topic_name(tracker.image_topic)
        self._record(image_type, name, policy)
        self._record(CameraInfo, tracker.camera_info_topic or beside(name, 'camera_info'), policy)
        if depth := depth_topic(name, tracker):
            self._record(Image, depth, policy)

    def _record(self, kind: type, topic: str, policy: QoSProfile) -> None:
        module = kind.__module__.split('.')[0]
        msgtype = f'{module}/msg/{kind.__name__}'
        name = self.resolve_topic_name(topic)

        def take(data: bytes) -> None:
            self.writer.put(name, msgtype, self.get_clock().now().nanoseconds, data)

        self.create_subscription(kind, topic, take, policy, raw=True)

    def summary(self) -> dict:
        """What was recorded, for the last line of `run`; after `close`."""
        writer = self.writer
        return {
            'bag': str(writer.path),
            'messages': dict(sorted(writer.written.items())),
            'dropped': writer.dropped,
            'stopped': writer.stopped or None,
        }

    def close(self) -> None:
        self.writer.close()
