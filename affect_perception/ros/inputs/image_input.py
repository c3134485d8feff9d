"""Image subscription of the tracker, with log lines for silence, loss and an incompatible quality of service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage, Image

from affect_perception.ros.health.callbacks import timer
from affect_perception.ros.inputs.adaptive_subscription import QUEUE, AdaptiveSubscription, mixed
from affect_perception.ros.topics import find_images, image_topics
from affect_perception.settings import TrackerSettings

_SILENCE_S = 5.0  # without an image for this long, log what could be wrong; also the time over which losses are told
_LOSS = 0.02  # share of lost images from which that is told
_REMEDY = (
    'large images get lost between processes where the publisher is best effort or a machine is busy: publish them '
    'reliably, or compressed (image_transport: compressed), let sockets hold more '
    '(sudo sysctl -w net.core.rmem_max=16777216), or set FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA for all processes'
)


class ImageInput:
    """Subscription of `node` to the images of `settings.image_topic`; `callback` gets every message.

    `warn` gets the name and text of what is wrong with them, '' when that has ended.
    """

    def __init__(
        self,
        node: Node,
        settings: TrackerSettings,
        callback: Callable[[Image | CompressedImage], None],
        warn: Callable[[str, str], None],
    ) -> None:
        self._node, self._callback, self._warn = node, callback, warn
        self._received = 0
        self._before = (0, 0)  # received and lost when losses were last looked at
        self._silent = False
        self._subscription = AdaptiveSubscription(
            node,
            lambda: find_images(node, settings.image_topic, settings.image_transport),
            self._on_image,
            depth=1 if settings.reliable_images else QUEUE,
            reliable=True if settings.reliable_images else None,
            on_publishers=self._on_publishers,
            on_incompatible=self._on_incompatible_qos,
        )
        # Steady: the first /clock must not count as five seconds of silence.
        self._timer = timer(node, _SILENCE_S, self._check, steady=True)

    @property
    def topic_name(self) -> str:
        """Resolved name of the topic."""
        return self._subscription.topic_name

    @property
    def image_type(self) -> type[Image] | type[CompressedImage]:
        """Message type of the topic."""
        return self._subscription.request.msgtype

    @property
    def is_reliable(self) -> bool:
        """Whether images are requested reliably now."""
        return self._subscription.request.reliable

    @property
    def matched(self) -> int:
        """Number of publishers whose images arrive."""
        return self._subscription.matched

    @property
    def lost(self) -> int:
        """Number of images that were lost on their way from another process, as far as the middleware knows."""
        return self._subscription.lost

    def _on_image(self, msg: Image | CompressedImage) -> None:
        self._received += 1
        self._callback(msg)

    def _on_publishers(self, topic: str, publishers: Sequence[TopicEndpointInfo]) -> None:
        self._warn('publishers', mixed(topic, publishers))

    def _check(self) -> None:
        """Tell of images that were lost, and once that no image has come at all, with the topics that have images."""
        received, lost = self._received - self._before[0], self.lost - self._before[1]
        self._before = (self._received, self.lost)
        some = lost > _LOSS * (received + lost)
        self._warn('losses', f'{lost} of {received + lost} images were lost on their way; {_REMEDY}' if some else '')
        if not self._received and not self._silent:
            self._silent = True
            names = image_topics(self._node)
            what = f'image topics now: {", ".join(names) or "none"}. Set image_topic or remap `image`'
            if self.topic_name in names:
                what = f'it has a publisher, which sends nothing, or what it sends is lost: {_REMEDY}'
            self._node.get_logger().warning(f'no image on {self.topic_name} in {_SILENCE_S:.0f} s; {what}')

    def _on_incompatible_qos(self, event: Any) -> None:
        self._node.get_logger().error(
            f'a publisher of {self.topic_name} offers an incompatible quality of service '
            f'({event.last_policy_kind}); with reliable_images: false any camera is compatible'
        )

    def close(self) -> None:
        """Destroy the subscription."""
        self._subscription.close()
        self._node.destroy_timer(self._timer)
