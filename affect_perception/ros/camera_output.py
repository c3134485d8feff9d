"""Publishers of a camera, named as those of camera drivers: the image, its JPEG, camera_info and depth beside it."""

from __future__ import annotations

from typing import Any

import cv2
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from affect_perception.errors import BadInputError
from affect_perception.ros import qos
from affect_perception.ros.camera_info_file import read_camera_info
from affect_perception.ros.conversions import bytes_to_msg, depth_to_msg, frame_to_msg, header_to_msg, intrinsics_to_msg
from affect_perception.ros.topics import advertise, sibling_topic
from affect_perception.settings import SourceSettings
from affect_perception.types import Frame


class CameraOutput:
    """Publishers of `node`: `image` and `image/compressed`, `camera_info` and `depth` beside it, for remapped names
    too.

    Images are made only for those who subscribe. camera_info is that of the frame, else of `camera_info_url`, whose
    ConfigError the constructor raises.
    """

    def __init__(self, node: Node, settings: SourceSettings) -> None:
        self._node, self._settings = node, settings
        self._profile = qos.RELIABLE_IMAGES if settings.rate == 0 else qos.CAMERA_IMAGES
        self._calibration = read_camera_info(settings.camera_info_url) if settings.camera_info_url else None
        self._images = advertise(node, Image, 'image', self._profile)
        self._base = self._images.topic_name
        self._compressed = advertise(node, CompressedImage, f'{self._base}/compressed', self._profile)
        self._extra: dict[str, Publisher] = {}  # of depth and camera_info, made with the first of each

    @property
    def has_subscribers(self) -> bool:
        """Whether somebody subscribes to the images."""
        return self._images.get_subscription_count() > 0 or self._compressed.get_subscription_count() > 0

    def publish(self, frame: Frame) -> None:
        """Publish a frame, camera_info and depth first, so that both are there when the image is processed.

        Raises BadInputError `camera_info`, after the image was published, for a calibration of another size.
        """
        header = header_to_msg(frame.stamp_ns, frame.frame_id)
        info = self._camera_info(frame, header)
        if info is not None:
            self._publish_beside('camera_info', info)
        if frame.depth is not None:
            self._publish_beside('depth', depth_to_msg(frame.depth, frame.frame_id))
        if self._images.get_subscription_count() > 0:
            self._images.publish(frame_to_msg(frame))
        if self._compressed.get_subscription_count() > 0:
            self._compressed.publish(self._jpeg(frame, header))
        if info is None and self._calibration is not None:
            of = self._calibration
            size = f'{frame.rgb.shape[1]}x{frame.rgb.shape[0]}'
            raise BadInputError('camera_info', f'camera_info_url is of {of.width}x{of.height}, images are of {size}')

    def _camera_info(self, frame: Frame, header: Header) -> CameraInfo | None:
        if frame.intrinsics is not None:
            return intrinsics_to_msg(frame.intrinsics, header)
        info = self._calibration
        if info is None or (info.height, info.width) != frame.rgb.shape[:2]:
            return None
        info.header = header
        return info

    def _jpeg(self, frame: Frame, header: Header) -> CompressedImage:
        bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
        data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, self._settings.jpeg_quality])[1]
        return CompressedImage(header=header, format='rgb8; jpeg compressed bgr8', data=bytes_to_msg(data))

    def _publish_beside(self, name: str, message: Any) -> None:
        if name not in self._extra:
            topic = sibling_topic(self._base, name)
            self._extra[name] = advertise(self._node, type(message), topic, self._profile)
        self._extra[name].publish(message)
