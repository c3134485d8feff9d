"""Depth and camera_info subscriptions of the tracker, for the 3-D position of faces.

Depth is matched to the image after tracking, as late as possible, and never waited for.
"""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from affect_perception.core.face_position import Locator
from affect_perception.errors import BadInputError
from affect_perception.ros.conversions import depth_from_msg, intrinsics_from_msg
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.inputs.adaptive_subscription import AdaptiveSubscription
from affect_perception.ros.topics import sibling_topic
from affect_perception.settings import TrackerSettings
from affect_perception.types import TrackedFrame

_OUTCOME = 'positions stay NaN'


def depth_topic(image_topic: str, settings: TrackerSettings) -> str:
    """Topic of depth for images of the resolved name `image_topic`; empty: none."""
    if settings.depth_topic != 'auto':
        return settings.depth_topic
    return sibling_topic(image_topic, 'depth') if image_topic.rpartition('/')[2] == 'image' else ''


class DepthInput:
    """Subscriptions of `node` to depth and camera_info; none when `depth_topic` is empty.

    `locator` holds the depth images and intrinsics received.
    """

    def __init__(self, node: Node, image_topic: str, settings: TrackerSettings, diagnostics: NodeDiagnostics) -> None:
        self._node, self._diagnostics = node, diagnostics
        self.locator = Locator(settings.depth_slop_s)
        self.depth_topic = depth_topic(image_topic, settings)
        self.info_topic = settings.camera_info_topic or sibling_topic(image_topic, 'camera_info')
        self._frame_id = ''
        self._subscriptions: list[AdaptiveSubscription] = []
        if not self.depth_topic:
            return
        self._subscriptions = [
            AdaptiveSubscription(node, lambda: (self.depth_topic, Image), self._on_depth),
            AdaptiveSubscription(node, lambda: (self.info_topic, CameraInfo), self._on_info, latched=True),
        ]

    def close(self) -> None:
        """Destroy the subscriptions."""
        while self._subscriptions:
            self._subscriptions.pop().close()

    def locate(self, tracked: TrackedFrame) -> TrackedFrame:
        """Copy of `tracked` with 3-D positions, where depth of about its stamp is there."""
        try:
            located = self.locator.locate(tracked)
        except BadInputError as error:
            self._diagnostics.bad_input(error, _OUTCOME)
            return tracked
        if located is not tracked and self._frame_id not in ('', tracked.frame_id):
            self._node.get_logger().warning(
                f'depth on {self.depth_topic} is of frame {self._frame_id}, images are of {tracked.frame_id}; '
                'positions are wrong unless depth is aligned to the images',
                once=True,
            )
        return located

    def _on_depth(self, msg: Image) -> None:
        try:
            self.locator.put(depth_from_msg(msg))
            self._frame_id = msg.header.frame_id
        except BadInputError as error:
            self._diagnostics.bad_input(error, _OUTCOME)

    def _on_info(self, msg: CameraInfo) -> None:
        try:
            self.locator.intrinsics = intrinsics_from_msg(msg)
        except BadInputError as error:
            self._diagnostics.bad_input(error, _OUTCOME)
