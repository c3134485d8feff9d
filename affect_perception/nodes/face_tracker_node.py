"""face_tracker_node: finds faces in images and follows them.

Subscribes `image` (parameter `image_topic`; sensor_msgs/Image or CompressedImage; best effort, depth 1)
           `depth` and `camera_info` (parameters `depth_topic`, `camera_info_topic`) for positions, where there are any
Publishes  `face_tracks` (FaceTrackArray; reliable, depth 10), one per processed image, stamped as the image

Images arrive in a slot that holds the newest only; one thread works them off. The detector runs beside, in another
process or thread (`detect_beside`).
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.detectors.async_detector import AsyncDetector
from affect_perception.detectors.detector_process import FaceAnalyzerProcess, wants_process
from affect_perception.detectors.face_analyzer import make_face_analyzer
from affect_perception.errors import BadInputError
from affect_perception.msg import FaceTrackArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import frame_from_msg, tracks_to_msg
from affect_perception.ros.depth_input import DepthInput
from affect_perception.ros.diagnostics import NodeDiagnostics
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.lifecycle import AutostartLifecycleNode
from affect_perception.ros.parameters import declare_settings
from affect_perception.runtime.newest_item import NewestItemSlot, SlotWorker
from affect_perception.settings import TrackerSettings
from affect_perception.types import DetectionResult, Frame

_SILENCE_S = 5.0  # without an image for this long, say what could be wrong


class FaceTrackerNode(AutostartLifecycleNode):
    """`overrides` are settings from a program; they weigh more than YAML and command line.

    `show` may be set: it gets every image that has been followed, in the thread that follows, and must be quick.
    """

    def __init__(self, overrides: dict | None = None, **node_options):
        super().__init__('face_tracker_node', **node_options)
        self.settings = declare_settings(self, TrackerSettings, overrides, on_change=self._change)
        self.people = 0
        self.show: Callable[[Frame], None] | None = None
        self._last_ns = 0
        self._detector: AsyncDetector | None = None
        self._tracker: FaceTracker | None = None
        self._worker: SlotWorker | None = None
        self._images: Subscription | None = None
        self._depth: DepthInput | None = None
        self.slot = NewestItemSlot()
        self.diagnostics = NodeDiagnostics(self, lambda: self.slot.dropped, self._facts)
        self.autostart_lifecycle()

    def load(self) -> None:
        finder = (
            FaceAnalyzerProcess(self.settings) if wants_process(self.settings) else make_face_analyzer(self.settings)
        )
        self._detector_name = finder.detector
        self.get_logger().info(f'{finder.name}, every {self.settings.detect_every} frames')
        finder.warm_up()
        self._detector = AsyncDetector(finder, self._on_detection)
        self._tracker = FaceTracker(self.settings)
        self._tracks = self.create_publisher(
            FaceTrackArray, 'face_tracks', qos.RESULTS, qos_overriding_options=qos.overridable()
        )
        self._worker = SlotWorker('tracker', self._process, self.slot)

    def begin(self) -> None:
        self._images = self.create_subscription(
            self.image_type,
            self.settings.image_topic,
            self.slot.put,
            qos.RELIABLE_IMAGES if self.settings.reliable_images else qos.IMAGES,
            event_callbacks=qos.SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos),
            qos_overriding_options=qos.overridable(),
        )
        self._depth = DepthInput(self, self._images.topic_name, self.settings, self.diagnostics)
        self._silence = self.create_timer(_SILENCE_S, self._on_silence)

    def stop(self) -> None:
        if self._images is not None:
            self.destroy_subscription(self._images)
            self._depth.close()
            self.destroy_timer(self._silence)
            self._images = None

    def free(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._detector.close()
            self.destroy_publisher(self._tracks)
            self._worker = self._detector = self._tracker = None
            gc.collect()

    @property
    def frames_per_detection(self) -> float:
        """How often the detector really ran, so far: it may need longer than `detect_every` frames."""
        return self.diagnostics.processed / max(self._detector.runs, 1)

    def _facts(self) -> dict[str, object]:
        if self._tracker is None:
            return {'detector': 'none loaded'}
        often = f'{self.frames_per_detection:.1f}'
        return {'detector': self._detector_name, 'frames_per_detection': often, 'people': self.people}

    @property
    def image_type(self) -> type[Image] | type[CompressedImage]:
        """What the images are sent as."""
        transport = self.settings.image_transport
        if transport == 'auto':
            transport = 'compressed' if self.settings.image_topic.endswith('/compressed') else 'raw'
        return CompressedImage if transport == 'compressed' else Image

    def _process(self, msg: Image | CompressedImage) -> None:
        try:
            with self.diagnostics.timed('decode'):
                frame = frame_from_msg(msg)
            if frame.stamp_ns < self._last_ns:
                error = BadInputError(
                    'stamp', f'the stamps went back by {(self._last_ns - frame.stamp_ns) * 1e-9:.3f} s'
                )
                self.diagnostics.bad_input(error, 'all tracks begin anew')
            self._last_ns = frame.stamp_ns
            found = self._detect(frame)
            with self.diagnostics.timed('track'):
                tracked = self._tracker.step(frame, found)
            with self.diagnostics.timed('depth'):
                tracked = self._depth.locate(tracked)
            with self.diagnostics.timed('publish'):
                self._tracks.publish(tracks_to_msg(tracked))
            if self.show is not None:
                self.show(frame)
        except Exception as error:
            self.diagnostics.bad_input(error)
            return
        self.people = len(tracked.tracks)
        self.diagnostics.done((self.get_clock().now().nanoseconds - frame.stamp_ns) * 1e-6)

    def _detect(self, frame: Frame) -> DetectionResult | None:
        """What the detector has found by now: in this frame when it is waited for, else in an earlier one."""
        found = self._detector.collect()
        request = self._tracker.request(frame) if self._detector.free else None
        if request is not None:
            self._detector.submit(request)
            if self.settings.detect_inline:
                found = self._detector.collect(wait=True)
        return found

    def _on_detection(self, seconds: float) -> None:
        self.diagnostics.time('detect', seconds)

    def _change(self, settings: TrackerSettings) -> None:
        self.settings = settings
        if self._tracker is not None:
            self._tracker.change(settings)

    def _on_silence(self) -> None:
        """Once, when nothing has come: says what is being listened to, and what else there is."""
        if self.slot.received == 0:
            names = [name for name, types in self.get_topic_names_and_types() if _IMAGE_TYPES & set(types)]
            self.get_logger().warning(
                f'no image on {self._images.topic_name} in {_SILENCE_S:.0f} s; '
                f'image topics now: {", ".join(sorted(names)) or "none"}. Set image_topic or remap `image`'
            )
        self._silence.cancel()

    def _on_incompatible_qos(self, event) -> None:
        self.get_logger().error(
            f'a publisher of {self._images.topic_name} offers an incompatible quality of service '
            f'({event.last_policy_kind}); with reliable_images: false any camera will do'
        )


_IMAGE_TYPES = {'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'}


def main(args=None) -> None:
    run_nodes(lambda: [FaceTrackerNode()], args)


if __name__ == '__main__':
    main()
