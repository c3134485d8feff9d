"""marker_node: markers and overlay images for RViz. Each output is made only while it has subscribers.

Subscribes `face_affect` (FaceAffectArray)
           images of the tracker (parameter `overlay_image_topic`) for the overlay; in the viewer process
           (graph/viewer_process.py) single images are requested from the tracker's process instead
           camera_info of the images for the position of markers; without it one `face_tracks`, for the image size
Publishes  `face_markers` (visualization_msgs/MarkerArray; reliable, depth 10), stamped as the image
           `overlay` (sensor_msgs/Image) and `overlay/compressed` (JPEG): the image with boxes, ids, levels and smiles
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from affect_perception.core.display.markers import FaceMarkers, assumed_intrinsics
from affect_perception.msg import FaceAffectArray, FaceTrackArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import affect_from_msg, intrinsics_from_msg
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.inputs.adaptive_subscription import AdaptiveSubscription
from affect_perception.ros.inputs.on_demand import OnDemand, RateLimit
from affect_perception.ros.rviz.marker_messages import shapes_to_msg
from affect_perception.ros.rviz.overlay import OverlayOutput
from affect_perception.ros.startup.parameters import Overrides, declare_settings
from affect_perception.ros.topics import advertise, find_images, sibling_topic, subscribe
from affect_perception.settings import MarkerSettings
from affect_perception.types import AffectFrame, Frame, Intrinsics


class MarkerNode(Node):
    """Node of markers and overlay. `overrides` are settings given by a program.

    `ask`, if given, is called with the stamp (ns) and width (px, 0: full) of an image wanted for the overlay; the
    answer is given to `take`. Images are then subscribed only if `overlay_image_topic` is not the default.
    """

    def __init__(
        self,
        overrides: Overrides | None = None,
        ask: Callable[[int, int], None] | None = None,
        **node_options: Any,
    ) -> None:
        super().__init__('marker_node', **node_options)
        self.settings = declare_settings(self, MarkerSettings, overrides, on_change=self._change)
        self._face_markers = FaceMarkers(self.settings)
        self._intrinsics: Intrinsics | None = None
        self._image_size: tuple[int, int] | None = None
        self._people = 0
        self._limit = RateLimit()
        request = ask if self.settings.overlay_image_topic == MarkerSettings().overlay_image_topic else None
        self._markers = advertise(self, MarkerArray, 'face_markers')
        self.diagnostics = NodeDiagnostics(
            self,
            lambda: self._overlay.dropped,
            lambda: {'people': self._people},
            idle_reason=lambda: self.demand.idle_reason(),
        )
        self._overlay = OverlayOutput(self, self.settings, self.diagnostics, request)
        self.demand = OnDemand(
            self,
            {
                'face_affect': (
                    lambda: self._has_marker_subscribers() or self._overlay.has_subscribers,
                    lambda: subscribe(self, FaceAffectArray, 'face_affect', self._on_affect),
                ),
                'camera_info': (self._has_marker_subscribers, self._subscribe_camera_info),
                'face_tracks': (
                    lambda: self._has_marker_subscribers() and self._image_size is None,
                    lambda: subscribe(self, FaceTrackArray, 'face_tracks', self._on_tracks, qos.NEWEST_RESULT),
                ),
                'images': (lambda: request is None and self._overlay.has_subscribers, self._subscribe_images),
            },
        )

    def _has_marker_subscribers(self) -> bool:
        return self._markers.get_subscription_count() > 0

    def _subscribe_camera_info(self) -> AdaptiveSubscription:
        images = self.resolve_topic_name(self.settings.overlay_image_topic)
        topic = self.settings.overlay_camera_info_topic or sibling_topic(images, 'camera_info')
        return AdaptiveSubscription(self, lambda: (topic, CameraInfo), self._on_camera_info, latched=True)

    def _subscribe_images(self) -> AdaptiveSubscription:
        self._overlay.clear()
        return AdaptiveSubscription(
            self,
            lambda: find_images(self, self.settings.overlay_image_topic, self.settings.overlay_transport),
            self._overlay.put_image,
            depth=1,  # the group leaves messages with the middleware, which is to keep the newest
            group=self._overlay.due,
        )

    def _on_tracks(self, msg: FaceTrackArray) -> None:
        self._image_size = msg.image_width, msg.image_height

    def _on_camera_info(self, msg: CameraInfo) -> None:
        try:
            self._intrinsics = intrinsics_from_msg(msg)
        except Exception as error:  # noqa: BLE001 - border to other programs: counted and logged
            self.diagnostics.bad_input(error, 'a field of view is assumed')

    def take(self, frame: Frame, width: int) -> None:
        """Take a requested image, scaled down from one of `width` px. Safe to call from any thread."""
        self._overlay.put_requested(frame, width)

    def _on_affect(self, msg: FaceAffectArray) -> None:
        try:
            affect = affect_from_msg(msg)
            now_s, rate = time.monotonic(), self.settings.marker_rate
            if self._limit.due(now_s, rate) and self._has_marker_subscribers():
                self._limit.passed(now_s, rate)
                self._publish_markers(affect, msg.header)
            if self._overlay.has_subscribers:
                self._overlay.put_result(affect)
        except Exception as error:  # noqa: BLE001 - callback border: counted and logged, the next message is processed
            self.diagnostics.bad_input(error)
            return
        self._people = len(affect.faces)
        self.diagnostics.done((self.get_clock().now().nanoseconds - affect.stamp_ns) * 1e-6)

    def _publish_markers(self, affect: AffectFrame, header: Header) -> None:
        with self.diagnostics.timed('markers'):
            right = max((face.box.x + face.box.width for face in affect.faces), default=0.0)
            if self._image_size is not None and right > self._image_size[0]:
                self._image_size = None  # the images have another size now: subscribe to face_tracks again
            labels = affect.expression_labels, affect.reaction_labels
            shapes, removed = self._face_markers.step(affect.faces, affect.stamp_ns, self._camera(), *labels)
            self._markers.publish(shapes_to_msg(shapes, removed, header, self._face_markers.lifetime_s))

    def _camera(self) -> Intrinsics | None:
        """Intrinsics of camera_info, else of an assumed field of view; None while the image size is unknown."""
        if self._intrinsics is not None or self._image_size is None:
            return self._intrinsics
        return assumed_intrinsics(*self._image_size, self.settings.field_of_view_deg)

    def _change(self, settings: MarkerSettings) -> None:
        self.settings = self._face_markers.settings = self._overlay.settings = settings

    def close(self) -> None:
        """End the worker thread of the overlay."""
        self._overlay.close()


def main(args: Sequence[str] | None = None) -> None:
    """Run `ros2 run affect_perception marker_node`."""
    run_nodes(lambda: [MarkerNode()], args, ['marker_node'])


if __name__ == '__main__':
    main()
