"""Image subscription of the tracker, with log lines for silence and for an incompatible quality of service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from affect_perception.ros import qos
from affect_perception.ros.callbacks import guarded, timer
from affect_perception.ros.topics import image_type, subscribe
from affect_perception.settings import TrackerSettings

_SILENCE_S = 5.0  # without an image for this long, log what could be wrong
_IMAGE_TYPES = {'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'}


class ImageInput:
    """Subscription of `node` to the images of `settings.image_topic`; `callback` gets every message."""

    def __init__(
        self, node: Node, settings: TrackerSettings, callback: Callable[[Image | CompressedImage], None]
    ) -> None:
        self._node, self._callback = node, callback
        self._received = False
        self._subscription = subscribe(
            node,
            image_type(settings.image_topic, settings.image_transport),
            settings.image_topic,
            self._on_image,
            qos.RELIABLE_IMAGES if settings.reliable_images else qos.IMAGES,
            event_callbacks=qos.SubscriptionEventCallbacks(incompatible_qos=guarded(node, self._on_incompatible_qos)),
        )
        self._silence = timer(node, _SILENCE_S, self._on_silence)

    @property
    def topic_name(self) -> str:
        """Resolved name of the topic."""
        return self._subscription.topic_name

    def _on_image(self, msg: Image | CompressedImage) -> None:
        self._received = True
        self._callback(msg)

    def _on_silence(self) -> None:
        """Warn, once, that no image has arrived, with the image topics that exist."""
        if not self._received:
            names = [name for name, types in self._node.get_topic_names_and_types() if _IMAGE_TYPES & set(types)]
            self._node.get_logger().warning(
                f'no image on {self.topic_name} in {_SILENCE_S:.0f} s; '
                f'image topics now: {", ".join(sorted(names)) or "none"}. Set image_topic or remap `image`'
            )
        self._silence.cancel()

    def _on_incompatible_qos(self, event: Any) -> None:
        self._node.get_logger().error(
            f'a publisher of {self.topic_name} offers an incompatible quality of service '
            f'({event.last_policy_kind}); with reliable_images: false any camera is compatible'
        )

    def close(self) -> None:
        """Destroy the subscription."""
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_timer(self._silence)
