"""face_tracker_node: faces in images, detected every few frames and tracked in between.

Subscribes `image` (parameter `image_topic`; sensor_msgs/Image or CompressedImage; reliable if every publisher is)
           `depth` and `camera_info` (parameters `depth_topic`, `camera_info_topic`) for 3-D positions, where published
Publishes  `face_tracks` (FaceTrackArray; reliable, depth 10), one per processed image, stamped as the image

Images arrive in a slot that holds the newest only; one worker thread processes them. The detector runs asynchronously,
in another process or thread (`detect_beside`).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.detectors.async_detector import AsyncDetector
from affect_perception.detectors.detector_process import FaceAnalyzerProcess, wants_process
from affect_perception.detectors.face_analyzer import make_face_analyzer
from affect_perception.msg import FaceTrackArray
from affect_perception.ros.conversions import tracks_to_msg
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.inputs.depth_input import DepthInput
from affect_perception.ros.inputs.image_input import ImageInput
from affect_perception.ros.inputs.image_reader import read_frame
from affect_perception.ros.lifecycle import AutostartLifecycleNode
from affect_perception.ros.startup.parameters import Overrides, declare_settings
from affect_perception.ros.topics import advertise, find_images
from affect_perception.runtime.imports.background_import import import_in_background
from affect_perception.runtime.newest_item import NewestItemSlot, SlotWorker
from affect_perception.settings import TrackerSettings
from affect_perception.types import DetectionResult, Frame

_LONGEST_WAIT_S = 2.0  # for the detector, where images come slowly
_BLIND_WAIT_S = 1.0  # for the detector, where without it nothing is known: at the start and after a scene cut


class FaceTrackerNode(AutostartLifecycleNode):
    """Node of detection and tracking. `overrides` are settings given by a program; they weigh more than YAML.

    Crops have at least `least_crop` px, whatever the settings: what the network beside this node was trained on.
    `show`, if set, is called with every tracked frame, in the worker thread; it must return quickly.
    """

    def __init__(self, overrides: Overrides | None = None, least_crop: int = 0, **node_options: Any) -> None:
        super().__init__('face_tracker_node', **node_options)
        least = {'crop_size': least_crop}
        self.settings = declare_settings(self, TrackerSettings, overrides, on_change=self._change, least=least)
        self.people = 0
        self.show: Callable[[Frame], None] | None = None
        self.slot: NewestItemSlot[Image | CompressedImage] = NewestItemSlot()
        self.depth: DepthInput | None = None
        self.detector: AsyncDetector | None = None
        self.tracker: FaceTracker | None = None
        self._worker: SlotWorker | None = None
        self._images: ImageInput | None = None
        self.last_stamp_ns = 0  # of the last image
        self.diagnostics = NodeDiagnostics(self, lambda: self.slot.dropped, self._details, self._detector_problem)
        self.autostart_lifecycle()

    def load(self) -> None:
        """Start and warm up the detector, create tracker, publisher and worker thread."""
        in_process = wants_process(self.settings)
        self.get_logger().info(f'starting detector {self.settings.detector}{" in its own process" * in_process}')
        analyzer = (
            FaceAnalyzerProcess(self.settings, on_ended=self._on_detector_ended)
            if in_process
            else make_face_analyzer(self.settings)
        )
        analyzer.warm_up()
        self._detector_name = analyzer.detector
        self.get_logger().info(f'detector {analyzer.name}, every {self.settings.detect_every} frames')
        self.detector = AsyncDetector(analyzer, self._on_detection)
        self.tracker = FaceTracker(self.settings)
        self._tracks = advertise(self, FaceTrackArray, 'face_tracks')
        work = partial(self._process, self.tracker, self.detector)
        self._worker = SlotWorker('tracker', work, self.slot, self.diagnostics.bad_input)

    def begin(self) -> None:
        """Subscribe to images, depth and camera_info."""
        self._images = ImageInput(self, self.settings, self.slot.put, self.diagnostics.warn)
        self.depth = DepthInput(self, self._images.topic_name, self.settings, self.diagnostics)

    def stop(self) -> None:
        """Unsubscribe; tracks and identities are kept."""
        if self._images is not None and self.depth is not None:
            self._images.close()
            self.depth.close()
            self._images = None

    def free(self) -> None:
        """End worker thread and detector, destroy the publisher."""
        if self._worker is not None and self.detector is not None:
            self._worker.close()
            self.detector.close()
            self.destroy_publisher(self._tracks)
            self._worker = self.detector = self.tracker = None
            gc.collect()

    @property
    def image_type(self) -> type[Image] | type[CompressedImage]:
        """Message type of the images."""
        if self._images is not None:
            return self._images.image_type
        return find_images(self, self.settings.image_topic, self.settings.image_transport)[1]

    @property
    def frames_per_detection(self) -> float:
        """Mean number of frames per detector run so far; more than `detect_every` if the detector is slower."""
        return self.diagnostics.processed / max(self.detector.runs if self.detector is not None else 0, 1)

    def _process(self, tracker: FaceTracker, detector: AsyncDetector, msg: Image | CompressedImage) -> None:
        """Worker thread: one image to one message of tracks."""
        try:
            with self.diagnostics.timed('decode'):
                frame = read_frame(msg)
            spare_s = self._check_order(frame)
            result = self._detect(frame, tracker, detector, spare_s)
            with self.diagnostics.timed('track'):
                tracked = tracker.step(frame, result)
            with self.diagnostics.timed('depth'):
                tracked = self.depth.locate(tracked) if self.depth is not None else tracked
            with self.diagnostics.timed('publish'):
                self._tracks.publish(tracks_to_msg(tracked))
            if self.show is not None:
                self.show(frame)
        except Exception as error:  # noqa: BLE001 - thread border: counted and logged, the next image is processed
            self.diagnostics.bad_input(error)
            return
        self.people = len(tracked.tracks)
        self.diagnostics.done((self.get_clock().now().nanoseconds - frame.stamp_ns) * 1e-6)

    def _check_order(self, frame: Frame) -> float:
        """Report stamps that go back. Returns the time in s to wait for the detector: 0, but for slow images."""
        step_s = (frame.stamp_ns - self.last_stamp_ns) * 1e-9
        stuck = 'the stamps of the images do not change; time stands still' if step_s == 0 else ''
        self.diagnostics.warn('stuck', stuck)
        if step_s < 0:
            self.diagnostics.event('stamp', f'the stamps went back by {-step_s:.3f} s', 'all tracks restart')
        slow = self.last_stamp_ns > 0 and step_s >= self.settings.detect_period_s
        self.last_stamp_ns = frame.stamp_ns
        return min(step_s / 2, _LONGEST_WAIT_S) if slow else 0.0

    def _detect(
        self, frame: Frame, tracker: FaceTracker, detector: AsyncDetector, spare_s: float
    ) -> DetectionResult | None:
        """Collect a finished detection, of this frame if it is waited for (`detect_inline`), else of an earlier one.

        Images that come slowly leave `spare_s` to wait in: by the next one the face would be elsewhere. Where nothing
        is known without a detection, it is waited for as well, so that an image which has not been looked at is not
        told as one with nobody in it; if it takes too long, that is counted. A failed detection is counted; tracking
        goes on without it.
        """
        try:
            blind = tracker.is_blind(frame)
            end_s = time.monotonic() + max(spare_s, _BLIND_WAIT_S * blind)
            result = detector.collect(wait_s=_BLIND_WAIT_S * blind)
            request = tracker.request(frame) if detector.free else None
            if request is not None:
                detector.submit(request)
                if detector.runs == 1:  # this thread waits now; needed from the second detection on
                    import_in_background('scipy.optimize')
                if self.settings.detect_inline:
                    result = detector.collect(wait=True)
                elif tracker.is_blind(frame, result) or spare_s:
                    result = detector.collect(wait_s=end_s - time.monotonic()) or result
            if tracker.is_blind(frame, result):
                text = f'no detection within {_BLIND_WAIT_S} s since the start or a scene cut'
                self.diagnostics.event('unseen', text, 'the image is published without people')
        except Exception as error:  # noqa: BLE001 - whatever a detector raises: counted and logged
            self.diagnostics.event('detector', str(error), 'tracking continues without this detection')
            return None
        return result

    def _on_detection(self, seconds: float) -> None:
        self.diagnostics.time('detect', seconds)

    def _on_detector_ended(self, text: str) -> None:
        self.diagnostics.event('detector', text, 'another one was started')

    def _detector_problem(self) -> str:
        return '' if self.detector is None else self.detector.problem

    def _details(self) -> dict[str, object]:
        if self.detector is None:
            return {'detector': 'none loaded'}
        return {
            'detector': self._detector_name,
            'detector_priority': self.detector.priority,
            'frames_per_detection': f'{self.frames_per_detection:.1f}',
            'people': self.people,
            'frames_lost': self._images.lost if self._images is not None else 0,
            'reliable': self._images.is_reliable if self._images is not None else False,
        }

    def _change(self, settings: TrackerSettings) -> None:
        self.settings = settings
        if self.tracker is not None:
            self.tracker.change(settings)


def main(args: Sequence[str] | None = None) -> None:
    """Run `ros2 run affect_perception face_tracker_node`."""
    run_nodes(lambda: [FaceTrackerNode()], args, ['face_tracker_node'])


if __name__ == '__main__':
    main()
