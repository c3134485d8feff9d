"""Depth and camera_info beside the images of the tracker: what gives faces their position.

Depth is looked for after a face has been followed, as late as can be, and never waited for.
"""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from affect_perception.core.tracking.face_position import Locator
from affect_perception.errors import BadInputError
from affect_perception.ros import qos
from affect_perception.ros.conversions import depth_from_msg, intrinsics_from_msg
from affect_perception.ros.diagnostics import NodeDiagnostics
from affect_perception.settings import TrackerSettings
from affect_perception.types import TrackedFrame

_OUTCOME = 'positions stay NaN'


def beside(image_topic: str, name: str) -> str:
    """The topic `name` where `image_topic` lives: .../image_raw and .../image_raw/compressed have .../camera_info."""
    base = image_topic.removesuffix('/compressed')
    return f'{base.rpartition("/")[0]}/{name}' if '/' in base else name


def depth_topic(image_topic: str, settings: TrackerSettings) -> str:
    """The topic of depth for images of the resolved name `image_topic`; empty: none."""
    if settings.depth_topic != 'auto':
        return settings.depth_topic
    return beside(image_topic, 'depth') if image_topic.rpartition('/')[2] == 'image' else ''


class DepthInput:
    """Subscriptions of `node` to depth and camera_info; silent when `depth_topic` says that there is none."""

    def __init__(self, node: Node, image_topic: str, settings: TrackerSettings, diagnostics: NodeDiagnostics):
        self._node, self._health = node, diagnostics
        self._locator = Locator(settings.depth_slop_s)
        self.depth_topic = depth_topic(image_topic, settings)
        self.info_topic = settings.camera_info_topic or beside(image_topic, 'camera_info')
        self._frame_id = ''
        self._heard = []
        if not self.depth_topic:
            return
        for kind, topic, take in (
            (Image, self.depth_topic, self._on_depth),
            (CameraInfo, self.info_topic, self._on_info),
        ):
            subscription = node.create_subscription(
                kind, topic, take, qos.IMAGES, qos_overriding_options=qos.overridable()
            )
            self._heard.append(subscription)

    def close(self) -> None:
        """Listen no more."""
        while self._heard:
            self._node.destroy_subscription(self._heard.pop())

    def locate(self, tracked: TrackedFrame) -> TrackedFrame:
        """`tracked` with positions as far as depth of its time is there."""
        try:
            located = self._locator.locate(tracked)
        except BadInputError as error:
            self._health.bad_input(error, _OUTCOME)
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
            self._locator.put(depth_from_msg(msg))
            self._frame_id = msg.header.frame_id
        except BadInputError as error:
            self._health.bad_input(error, _OUTCOME)

    def _on_info(self, msg: CameraInfo) -> None:
        try:
            self._locator.intrinsics = intrinsics_from_msg(msg)
        except BadInputError as error:
            self._health.bad_input(error, _OUTCOME)
