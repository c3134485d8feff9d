"""recorder_node: recording of `affect-perception run --record BAG`, a rosbag2 with embedded message definitions.

Subscribes `face_tracks`, `face_affect`, `agent_behaviour`, `audio_features`, `audio_functionals` (reliable),
           with `images` also the images of the tracker and, where they are published, their camera_info and depth
Publishes  `/diagnostics`: an error from the moment at which recording has stopped early

Messages are recorded as serialised, never decoded; another thread writes them (ros/bag_writer.py). Times of recording
are those of the node's clock, as of rosbag2; the stamps of the images are in the messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from affect_perception.errors import ConfigError
from affect_perception.msg import AgentBehaviour, AudioFeatures, FaceAffectArray, FaceTrackArray
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.inputs.depth_input import depth_topic
from affect_perception.ros.topics import sibling_topic, subscribe
from affect_perception.settings import TrackerSettings

_DEPTH = 200  # messages that the middleware buffers for a recorder that is late

RESULTS = QoSProfile(depth=_DEPTH, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)
IMAGES = QoSProfile(depth=10, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.BEST_EFFORT)
RELIABLE_IMAGES = QoSProfile(depth=10, history=QoSHistoryPolicy.KEEP_LAST, reliability=QoSReliabilityPolicy.RELIABLE)


@dataclass(frozen=True)
class Recording:
    """Options of a recording: results to `bag`, a folder that must not exist yet, and the images if `images`.

    Raises ConfigError for a folder that exists, before anything is loaded.
    """

    bag: Path
    images: bool = False

    def __post_init__(self) -> None:
        if self.bag.exists():
            raise ConfigError(f'{self.bag} exists already; give another --record, or remove it')


class RecorderNode(Node):
    """Records from its construction until `close`; ConfigError where the bag cannot be written."""

    def __init__(
        self,
        recording: Recording,
        tracker: TrackerSettings,
        image_type: type[Image] | type[CompressedImage],
        **node_options: Any,
    ) -> None:
        from affect_perception.ros.bag_writer import BagWriter  # needs rosbags, an optional package

        super().__init__('recorder_node', **node_options)
        self.writer = writer = BagWriter(recording.bag, self.get_logger().warning)
        self.diagnostics = NodeDiagnostics(
            self,
            lambda: writer.dropped,
            lambda: {'bag': writer.path.name, 'written': writer.written.total(), 'failed': writer.failed},
            problem=lambda: f'recording stopped: {writer.stopped}' if writer.stopped else '',
        )
        for msgtype, topic in (
            (FaceTrackArray, 'face_tracks'),
            (FaceAffectArray, 'face_affect'),
            (AgentBehaviour, 'agent_behaviour'),
            (AudioFeatures, 'audio_features'),  # no samples: those of `audio_file`
            (AudioFeatures, 'audio_functionals'),
        ):
            self._record(msgtype, topic, RESULTS)
        if recording.images:
            self._record_images(tracker, image_type)

    def _record_images(self, tracker: TrackerSettings, image_type: type[Image] | type[CompressedImage]) -> None:
        profile = RELIABLE_IMAGES if tracker.reliable_images else IMAGES
        name = self.resolve_topic_name(tracker.image_topic)
        self._record(image_type, name, profile)
        self._record(CameraInfo, tracker.camera_info_topic or sibling_topic(name, 'camera_info'), profile)
        if depth := depth_topic(name, tracker):
            self._record(Image, depth, profile)

    def _record(self, msgtype: type, topic: str, profile: QoSProfile) -> None:
        package = msgtype.__module__.split('.')[0]
        type_name = f'{package}/msg/{msgtype.__name__}'
        name = self.resolve_topic_name(topic)

        def write(data: bytes) -> None:
            self.writer.put(name, type_name, self.get_clock().now().nanoseconds, data)
            self.diagnostics.done()

        subscribe(self, msgtype, topic, write, profile, raw=True)

    def summary(self) -> dict[str, object]:
        """Counts of the recording, for the last line of `run`; after `close`."""
        writer = self.writer
        return {
            'bag': str(writer.path),
            'messages': dict(sorted(writer.written.items())),
            'dropped': writer.dropped,
            'stopped': writer.stopped or None,
        }

    def close(self) -> None:
        """Write what is queued and finish the bag."""
        self.writer.close()
