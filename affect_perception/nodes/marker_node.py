"""marker_node: what RViz shows of the people in view. Each output is made only while somebody subscribes to it.

Subscribes `face_affect` (FaceAffectArray)
           the tracker's images (parameter `overlay_image_topic`) for the overlay; in the process beside the tracker's
           (watch_process.py) it asks that for pictures instead
           their camera_info for the place of markers; else one `face_tracks`, for the size of the images
Publishes  `face_markers` (visualization_msgs/MarkerArray; reliable, depth 10), stamped as the image
           `overlay` (sensor_msgs/Image) and `overlay/compressed` (JPEG): the image with boxes, ids, levels and smiles
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from affect_perception.core.display.markers import FaceMarkers, assumed_camera
from affect_perception.core.display.overlay import drawn, shrunk
from affect_perception.msg import FaceAffectArray, FaceTrackArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import (
    affect_from_msg,
    bytes_to_msg,
    frame_from_msg,
    header_to_msg,
    image_to_msg,
    intrinsics_from_msg,
    stamp_from_msg,
)
from affect_perception.ros.depth_input import beside
from affect_perception.ros.diagnostics import NodeDiagnostics
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.marker_messages import shapes_to_msg
from affect_perception.ros.on_demand import OnDemand, RateLimit, WhileWanted
from affect_perception.ros.parameters import declare_settings
from affect_perception.runtime.newest_item import SlotWorker
from affect_perception.settings import MarkerSettings
from affect_perception.types import AffectFrame, Frame, Intrinsics

_LOST_NS = 2_000_000_000  # a result that much older than the image that waits is of another time: a bag began anew
_RECENT = 8  # results among which that of an image is looked for; either may be the later one
_ASKED_S = 0.3  # for a picture that was asked for to come


class _Picture(NamedTuple):
    """An image that is there already, scaled down from one of `width` px."""

    header: Header
    rgb: np.ndarray
    width: int


class MarkerNode(Node):
    """`overrides` are settings from a program; they weigh more than YAML and command line.

    `ask`, if given, is called for each result that is to be drawn, with its stamp in ns and a width in px (0: the full
    one); the picture that comes of it is to be given to `take`. Images of `overlay_image_topic` are then subscribed
    only if that setting names others.
    """

    def __init__(self, overrides: dict | None = None, ask: Callable[[int, int], None] | None = None, **node_options):
        super().__init__('marker_node', **node_options)
        self.settings = declare_settings(self, MarkerSettings, overrides, on_change=self._change)
        self._shapes = FaceMarkers(self.settings)
        self._camera: Intrinsics | None = None
        self._size: tuple[int, int] | None = None
        self._image: Image | CompressedImage | _Picture | None = None  # to draw into, until its result is there
        self._results: deque[AffectFrame] = deque(maxlen=_RECENT)
        self._lock = threading.Lock()  # of these two
        self._ask = ask if self.settings.overlay_image_topic == MarkerSettings().overlay_image_topic else None
        self._asked_s = -_ASKED_S
        self._pace, self._marker_pace = RateLimit(), RateLimit()
        self._people = 0
        overridable = {'qos_overriding_options': qos.overridable()}
        self._markers = self.create_publisher(MarkerArray, 'face_markers', qos.RESULTS, **overridable)
        self._overlay = self.create_publisher(Image, 'overlay', qos.RELIABLE_IMAGES, **overridable)
        self._jpeg = self.create_publisher(CompressedImage, 'overlay/compressed', qos.RELIABLE_IMAGES, **overridable)
        self._worker = SlotWorker('overlay', self._draw)
        self._due = WhileWanted(self._overlay_due)
        self._demand = OnDemand(
            self,
            {
                'face_affect': (lambda: self._mark() or self._paint(), self._subscribe_affect),
                'camera_info': (self._mark, self._subscribe_info),
                'face_tracks': (lambda: self._mark() and self._size is None, self._subscribe_tracks),
                'images': (lambda: self._ask is None and self._paint(), self._subscribe_images),
            },
        )
        self.diagnostics = NodeDiagnostics(
            self,
            lambda: self._worker.slot.dropped,
            lambda: {'people': self._people},
            idle_reason=self._demand.idle_reason,
        )

    def _mark(self) -> bool:
        return self._markers.get_subscription_count() > 0

    def _paint(self) -> bool:
        return self._overlay.get_subscription_count() > 0 or self._jpeg.get_subscription_count() > 0

    def _overlay_due(self) -> bool:
        return self._image is None and self._pace.due(time.monotonic(), self.settings.overlay_rate)

    def _subscribe(self, kind: type, topic: str, take, policy, group=None):
        return self.create_subscription(
            kind, topic, take, policy, callback_group=group, qos_overriding_options=qos.overridable()
        )

    def _subscribe_affect(self):
        return self._subscribe(FaceAffectArray, 'face_affect', self._on_affect, qos.RESULTS)

    def _subscribe_tracks(self):
        return self._subscribe(FaceTrackArray, 'face_tracks', self._on_tracks, qos.IMAGES)

    def _subscribe_info(self):
        images = self.resolve_topic_name(self.settings.overlay_image_topic)
        topic = self.settings.overlay_camera_info_topic or beside(images, 'camera_info')
        return self._subscribe(CameraInfo, topic, self._on_info, qos.IMAGES)

    def _subscribe_images(self):
        self._image = None
        topic, transport = self.settings.overlay_image_topic, self.settings.overlay_transport
        compressed = transport == 'compressed' or (transport == 'auto' and topic.endswith('/compressed'))
        return self._subscribe(CompressedImage if compressed else Image, topic, self._on_image, qos.IMAGES, self._due)

    def _on_tracks(self, msg: FaceTrackArray) -> None:
        self._size = msg.image_width, msg.image_height

    def _on_info(self, msg: CameraInfo) -> None:
        try:
            self._camera = intrinsics_from_msg(msg)
        except Exception as error:
            self.diagnostics.bad_input(error, 'a field of view is assumed')

    def take(self, frame: Frame, width: int) -> None:
        """The picture that was asked for, of an image of `width` px; may be called in any thread."""
        self._on_image(_Picture(header_to_msg(frame.stamp_ns, frame.frame_id), frame.rgb, width))
        self._asked_s = -_ASKED_S

    def _on_image(self, image: Image | CompressedImage | _Picture) -> None:
        with self._lock:
            self._image = image
            self._join()

    def _on_affect(self, msg: FaceAffectArray) -> None:
        try:
            affect = affect_from_msg(msg)
            now_s, rate = time.monotonic(), self.settings.marker_rate
            if self._marker_pace.due(now_s, rate) and self._mark():
                self._marker_pace.passed(now_s, rate)
                self._publish_markers(affect, msg.header)
            if self._paint():
                self._wait_for_image(affect)
        except Exception as error:
            self.diagnostics.bad_input(error)
            return
        self._people = len(affect.faces)
        self.diagnostics.done((self.get_clock().now().nanoseconds - affect.stamp_ns) * 1e-6)

    def _wait_for_image(self, affect: AffectFrame) -> None:
        with self._lock:
            self._results.append(affect)
            self._join()
        now_s = time.monotonic()
        if self._ask is not None and self._overlay_due() and now_s - self._asked_s > _ASKED_S:
            self._asked_s = now_s
            self._ask(affect.stamp_ns, self.settings.overlay_width)

    def _join(self) -> None:
        """Draws when image and result are of one stamp; gives the image up when its result will not come."""
        if self._image is None or not self._results:
            return
        stamp_ns = stamp_from_msg(self._image.header.stamp)
        affect = next((affect for affect in self._results if affect.stamp_ns == stamp_ns), None)
        if affect is not None:
            self._pace.passed(time.monotonic(), self.settings.overlay_rate)
            self._worker.slot.put((self._image, affect))
        if affect is not None or not 0 < stamp_ns - self._results[-1].stamp_ns < _LOST_NS:
            self._image = None

    def _publish_markers(self, affect: AffectFrame, header) -> None:
        with self.diagnostics.timed('markers'):
            edge = max((face.box.x + face.box.width for face in affect.faces), default=0.0)
            if self._size is not None and edge > self._size[0]:
                self._size = None  # the images have another size now: ask again
            shapes, gone = self._shapes.step(affect.faces, affect.stamp_ns, self._view())
            self._markers.publish(shapes_to_msg(shapes, gone, header, self._shapes.lifetime_s))

    def _view(self) -> Intrinsics | None:
        """The camera: as camera_info says, else one with the assumed field of view."""
        if self._camera is not None or self._size is None:
            return self._camera
        return assumed_camera(*self._size, self.settings.field_of_view_deg)

    def _draw(self, item: tuple[Image | CompressedImage | _Picture, AffectFrame]) -> None:
        image, affect = item
        try:
            with self.diagnostics.timed('overlay'):
                if isinstance(image, _Picture):
                    rgb, width = image.rgb, image.width
                else:
                    rgb = frame_from_msg(image).rgb
                    rgb, width = shrunk(rgb, self.settings.overlay_width), rgb.shape[1]
                picture = drawn(rgb, affect, width)
                if self._overlay.get_subscription_count() > 0:
                    self._overlay.publish(image_to_msg(picture, image.header))
                if self._jpeg.get_subscription_count() > 0:
                    self._jpeg.publish(self._compressed(picture, image.header))
        except Exception as error:
            self.diagnostics.bad_input(error)

    def _compressed(self, picture: np.ndarray, header) -> CompressedImage:
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)  # not [..., ::-1], whose copy takes longer than the JPEG
        data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, self.settings.overlay_quality])[1]
        return CompressedImage(header=header, format='jpeg', data=bytes_to_msg(data))

    def _change(self, settings: MarkerSettings) -> None:
        self.settings = self._shapes.settings = settings

    def close(self) -> None:
        self._worker.close()


def main(args=None) -> None:
    run_nodes(lambda: [MarkerNode()], args)


if __name__ == '__main__':
    main()
