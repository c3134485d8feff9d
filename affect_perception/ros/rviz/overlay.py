"""Overlay images of marker_node: images matched to results by stamp, annotated and published in a worker thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from affect_perception.core.display.overlay import annotated_at, scaled_down
from affect_perception.core.stamp_buffer import StampBuffer
from affect_perception.ros import qos
from affect_perception.ros.conversions import bytes_to_msg, frame_from_msg, header_to_msg, image_to_msg, stamp_from_msg
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.inputs.on_demand import RateLimit, WhileWanted
from affect_perception.ros.topics import advertise
from affect_perception.runtime.newest_item import SlotWorker
from affect_perception.settings import MarkerSettings
from affect_perception.types import AffectFrame, Frame

_RESTART_NS = 2_000_000_000  # an image this much newer than the newest result waits for none: a bag restarted
_RESULTS = 8  # results buffered for an image that comes later
_REQUEST_S = 0.3  # until a requested image is given up and another one may be requested


class _ScaledImage(NamedTuple):
    """Image scaled down already, from one of `width` px."""

    header: Header
    rgb: np.ndarray
    width: int


AnyImage: TypeAlias = 'Image | CompressedImage | _ScaledImage'


class OverlayOutput:
    """Publishers of `overlay` and `overlay/compressed`: at most `overlay_rate` a second, and only for subscribers.

    An image waits for the result of its stamp, or a result for its image; at most one image waits. `request`, if given,
    is called with the stamp (ns) and width (px, 0: full) of an image that is wanted; the answer is given to
    `put_requested`. `settings` may be replaced at any time. Safe to call from several threads.
    """

    def __init__(
        self,
        node: Node,
        settings: MarkerSettings,
        diagnostics: NodeDiagnostics,
        request: Callable[[int, int], None] | None = None,
    ) -> None:
        self.settings = settings
        self._diagnostics = diagnostics
        self._raw = advertise(node, Image, 'overlay', qos.RELIABLE_IMAGES)
        self._jpeg = advertise(node, CompressedImage, 'overlay/compressed', qos.RELIABLE_IMAGES)
        self._image: AnyImage | None = None  # waits for its result
        self._results = StampBuffer[AffectFrame](_RESULTS)
        self._lock = threading.Lock()  # of these two
        self._request = request
        self._requested_s = -_REQUEST_S
        self._limit = RateLimit()
        self.due = WhileWanted(self._is_due)  # callback group of the image subscription
        self._worker = SlotWorker('overlay', self._draw, on_error=diagnostics.bad_input)

    @property
    def has_subscribers(self) -> bool:
        """Whether either topic has subscribers."""
        return self._raw.get_subscription_count() > 0 or self._jpeg.get_subscription_count() > 0

    @property
    def dropped(self) -> int:
        """Overlays replaced by newer ones before they were drawn."""
        return self._worker.slot.dropped

    def clear(self) -> None:
        """Discard the image that waits."""
        self._image = None

    def put_image(self, image: AnyImage) -> None:
        """Take a message of the images' topic."""
        with self._lock:
            self._image = image
            self._match()

    def put_requested(self, frame: Frame, width: int) -> None:
        """Take a requested image, scaled down from one of `width` px."""
        self.put_image(_ScaledImage(header_to_msg(frame.stamp_ns, frame.frame_id), frame.rgb, width))
        self._requested_s = -_REQUEST_S

    def put_result(self, affect: AffectFrame) -> None:
        """Take a result; requests its image if none waits and an overlay is due."""
        with self._lock:
            self._results.put(affect.stamp_ns, affect)
            self._match()
        now_s = time.monotonic()
        if self._request is not None and self._is_due() and now_s - self._requested_s > _REQUEST_S:
            self._requested_s = now_s
            self._request(affect.stamp_ns, self.settings.overlay_width)

    def _is_due(self) -> bool:
        return self._image is None and self._limit.due(time.monotonic(), self.settings.overlay_rate)

    def _match(self) -> None:
        """Hand the image that waits and its result to the worker; discard an image whose result will not come."""
        newest_ns = self._results.newest_ns
        if self._image is None or newest_ns is None:
            return
        stamp_ns = stamp_from_msg(self._image.header.stamp)
        affect = self._results.find(stamp_ns)
        if affect is not None:
            self._limit.passed(time.monotonic(), self.settings.overlay_rate)
            self._worker.slot.put((self._image, affect))
        if affect is not None or not 0 < stamp_ns - newest_ns < _RESTART_NS:
            self._image = None

    def _draw(self, item: tuple[AnyImage, AffectFrame]) -> None:
        image, affect = item
        try:
            with self._diagnostics.timed('overlay'):
                if isinstance(image, _ScaledImage):
                    rgb, width = image.rgb, image.width
                else:
                    full = frame_from_msg(image).rgb
                    rgb, width = scaled_down(full, self.settings.overlay_width), full.shape[1]
                picture = annotated_at(rgb, affect, width)
                if self._raw.get_subscription_count() > 0:
                    self._raw.publish(image_to_msg(picture, image.header))
                if self._jpeg.get_subscription_count() > 0:
                    self._jpeg.publish(self._compressed(picture, image.header))
        except Exception as error:  # noqa: BLE001 - thread border: counted and logged, the next image is drawn
            self._diagnostics.bad_input(error)

    def _compressed(self, picture: np.ndarray, header: Header) -> CompressedImage:
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)  # not [..., ::-1], whose copy takes longer than the JPEG
        data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, self.settings.overlay_quality])[1]
        return CompressedImage(header=header, format='jpeg', data=bytes_to_msg(data))

    def close(self) -> None:
        """End the worker thread."""
        self._worker.close()
