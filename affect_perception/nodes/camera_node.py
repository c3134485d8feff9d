"""camera_node: images of a camera, file, stream or of the scene as sensor_msgs/Image.

Publishes  `image` (reliable: a best-effort reader may subscribe, too) and `image/compressed` (JPEG)
           beside it `camera_info`, of the source (realsense) or of `camera_info_url`, and `depth` (16UC1 in mm, aligned
           to the image) if the source has it
Subscribes `face_affect` when `rate` is 0: the next image is sent when the last one has been answered, and when the
           sound of its time was published, if sound is played beside it

A live source stamps its images when they are captured. Recorded images keep their own times, counted from the start of
the node; an image whose successor is already due is dropped and counted, as a camera would do. Where no image has been
in time for a second, as of a video that takes longer to decode than to play, playback is slowed down. Jumps of the
stamps of a recording are not waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rclpy.node import Node

from affect_perception.core.sound import HEARD_AHEAD_NS
from affect_perception.errors import BadInputError
from affect_perception.msg import FaceAffectArray
from affect_perception.ros.camera_output import CameraOutput
from affect_perception.ros.conversions import stamp_from_msg
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.startup.parameters import Overrides, declare_settings
from affect_perception.ros.topics import subscribe
from affect_perception.runtime.masking import masked
from affect_perception.settings import SourceSettings
from affect_perception.sources import Source, open_source
from affect_perception.sources.playback_clock import Playback, PlaybackClock
from affect_perception.types import Frame

_ANSWER_S = 30.0  # until an unanswered image is given up; a cold detector may take seconds
_BEHIND_S = 1.0  # without an image in time until playback waits for its source
_SOUND_S = 10.0  # until a lossless replay goes on without its sound


class CameraNode(Node):
    """Node of the image source. `overrides` are settings given by a program; `source` replaces the one they name.

    `finished` becomes true when a recorded source has ended.
    """

    def __init__(self, overrides: Overrides | None = None, source: Source | None = None, **node_options: Any) -> None:
        super().__init__('camera_node', **node_options)
        self.settings = declare_settings(self, SourceSettings, overrides)
        self.finished = False
        self.late = 0  # images of a recorded source whose successor was already due
        self.published = 0
        self._in_time_s = 0.0  # when the last image of a recorded source was in time
        self._slowed = False  # playback is as slow as its source
        self._sent_at: dict[int, float] = {}  # stamp of the unanswered image -> time of sending (only with rate 0)
        self._closing = threading.Event()
        self._answered = threading.Event()
        self._lossless = self.settings.rate == 0
        self.playback = Playback()  # for the sound of a recording
        self._output = CameraOutput(self, self.settings)
        if self._lossless:
            subscribe(self, FaceAffectArray, 'face_affect', self._on_affect)
        name = masked(self.settings.source)
        hardware = name if name.partition(':')[0] in ('camera', 'realsense') else ''
        self.diagnostics = NodeDiagnostics(self, lambda: self.dropped, lambda: {'source': name}, hardware_id=hardware)
        self.source = source if source is not None else open_source(self.settings, self.diagnostics.bad_input)
        self._thread = threading.Thread(target=self._run, name='camera', daemon=True)

    def start(self) -> CameraNode:
        """Start publishing; apart from the constructor so that other nodes can subscribe first."""
        self._thread.start()
        return self

    @property
    def dropped(self) -> int:
        """Number of images of the source that never became a message."""
        return self.late + self.source.dropped

    def _run(self) -> None:
        try:
            if self._lossless:
                self._wait_until(lambda: self._output.has_subscribers)
            self._play()
        except Exception as error:  # noqa: BLE001 - thread border: a failing source must not end the graph
            self.diagnostics.bad_input(error, 'the source has ended')
        self.finished = True

    def _play(self) -> None:
        start_ns = None
        clock = PlaybackClock(self.source.fps)
        for frame in self.source:
            if self._closing.is_set():
                return
            if start_ns is None:  # not before: a source may take a second to get ready
                start_ns = self._now_ns()
                self._in_time_s = time.monotonic()
                self.playback.begin(frame.stamp_ns, start_ns, self.settings.rate)
            try:
                self._play_frame(frame, start_ns, clock)
            except Exception as error:  # noqa: BLE001 - loop border: counted and logged, the next image is sent
                self.diagnostics.bad_input(error)

    def _play_frame(self, frame: Frame, start_ns: int, clock: PlaybackClock) -> None:
        if self.source.live:
            self.publish(frame)
            return
        recorded_ns = frame.stamp_ns
        frame = replace(frame, stamp_ns=clock.since_start(recorded_ns))
        self.playback.progress(recorded_ns, frame.stamp_ns, getattr(self.source, 'lap_ns', 0))
        if self._lossless:
            self._wait_for_sound(recorded_ns)
            self._publish_and_wait(replace(frame, stamp_ns=start_ns + frame.stamp_ns))
            return
        late_ns = self._now_ns() - start_ns - round(frame.stamp_ns / self.settings.rate)
        if late_ns > 1e9 / self.source.fps / self.settings.rate:
            if not self._is_slow():
                self.late += 1
                return
            frame = replace(frame, stamp_ns=clock.delay(round(late_ns * self.settings.rate)))
            self.playback.progress(recorded_ns, frame.stamp_ns, getattr(self.source, 'lap_ns', 0))
        elif late_ns < 0:
            self._slowed = False
            self._closing.wait(-late_ns * 1e-9)
        self._in_time_s = time.monotonic()
        self.publish(replace(frame, stamp_ns=start_ns + round(frame.stamp_ns / self.settings.rate)))

    def _is_slow(self) -> bool:
        """Whether no image was in time for a second; from then on each is sent when it comes, until one is early."""
        if not self._slowed and time.monotonic() - self._in_time_s > _BEHIND_S:
            self._slowed = True
            self.get_logger().warning(
                f'{self.source.name} gives fewer than {self.source.fps:.3g} images per second on this machine at '
                'present: playback is slowed down',
                once=True,
            )
        return self._slowed

    def _wait_for_sound(self, recorded_ns: int) -> None:
        if not self.playback.wait_for_sound(recorded_ns + HEARD_AHEAD_NS, _SOUND_S, self._closing):
            self.playback.expect_sound(False)
            self.get_logger().warning(f'no sound in {_SOUND_S:.0f} s; the images go on without waiting for it')

    def _publish_and_wait(self, frame: Frame) -> None:
        self._answered.clear()
        self._sent_at = {frame.stamp_ns: time.perf_counter()}
        self.publish(frame)
        deadline = time.monotonic() + _ANSWER_S
        while not self._answered.wait(0.2) and not self._closing.is_set():
            if time.monotonic() > deadline:
                self.late += 1
                self.get_logger().warning(
                    f'no result for the image of stamp {frame.stamp_ns} ns in {_ANSWER_S:.0f} s; sending the next one'
                )
                return

    def _on_affect(self, msg: FaceAffectArray) -> None:
        sent_at = self._sent_at.pop(stamp_from_msg(msg.header.stamp), None)
        if sent_at is not None:
            self.diagnostics.time('answer', time.perf_counter() - sent_at)
            self._answered.set()

    def publish(self, frame: Frame) -> None:
        """Publish an image with what belongs to it."""
        try:
            with self.diagnostics.timed('publish'):
                self._output.publish(frame)
        except BadInputError as error:
            self.diagnostics.bad_input(error, 'camera_info is not published')
        self.published += 1
        self.diagnostics.done((self._now_ns() - frame.stamp_ns) * 1e-6)

    def _wait_until(self, true: Callable[[], bool]) -> None:
        while not true() and not self._closing.is_set():
            self._closing.wait(0.05)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def close(self) -> None:
        """Close the source and end the thread."""
        self._closing.set()
        self.source.close()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)


def main(args: Sequence[str] | None = None) -> None:
    """Run `ros2 run affect_perception camera_node`."""
    run_nodes(lambda: [CameraNode().start()], args, ['camera_node'])


if __name__ == '__main__':
    main()
