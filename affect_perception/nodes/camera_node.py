"""camera_node: pictures of a camera, file, stream or of the scene as sensor_msgs/Image.

Publishes  `image` (best effort, depth 1; reliable when `rate` is 0)
           `camera_info` and `depth` (16UC1 in mm, aligned to the image) if the source knows them (realsense)
Subscribes `face_affect` when `rate` is 0: the next picture is sent when the last one has been answered

A live source stamps its pictures when they are grabbed. Recorded ones keep their own times, counted from the start of
the node, and a picture whose successor is already due is dropped and counted, as a camera would. Where the stamps of a
recording jump, it goes on at once.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image

from affect_perception.msg import FaceAffectArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import depth_to_msg, frame_to_msg, intrinsics_to_msg, stamp_from_msg
from affect_perception.ros.diagnostics import NodeDiagnostics
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.parameters import declare_settings
from affect_perception.settings import SourceSettings
from affect_perception.sources import Source, open_source
from affect_perception.sources.playback_clock import PlayingTime
from affect_perception.types import Frame

_ANSWER_S = 30.0  # an unanswered picture is given up after this time; a cold detector may take seconds


class CameraNode(Node):
    """`finished` becomes true when a recorded source has ended. `overrides` are settings from a program."""

    def __init__(self, overrides: dict | None = None, source: Source | None = None, **node_options):
        super().__init__('camera_node', **node_options)
        self.settings = declare_settings(self, SourceSettings, overrides)
        self.finished = False
        self.overtaken = 0  # pictures of a recorded source that came too late to be of use
        self.published = 0
        self._sent: dict[int, float] = {}  # stamp of each unanswered picture -> when it was sent (only with rate 0)
        self._closing = threading.Event()
        self._answered = threading.Event()
        self._lossless = self.settings.rate == 0
        self._publisher = self._advertise(Image, 'image')
        self._beside: dict[str, Publisher] = {}  # of depth and camera_info, made with the first of each
        if self._lossless:
            self.create_subscription(FaceAffectArray, 'face_affect', self._on_answer, qos.RESULTS)
        self.diagnostics = NodeDiagnostics(self, lambda: self.dropped, lambda: {'source': self.settings.source})
        self.source = source or open_source(self.settings, self.diagnostics.bad_input)
        self._thread = threading.Thread(target=self._run, name='camera', daemon=True)

    def _advertise(self, kind: type, topic: str) -> Publisher:
        policy = qos.RELIABLE_IMAGES if self._lossless else qos.IMAGES
        return self.create_publisher(kind, topic, policy, qos_overriding_options=qos.overridable())

    def start(self) -> CameraNode:
        """Begins to publish; apart from the constructor so that others can subscribe first."""
        self._thread.start()
        return self

    @property
    def dropped(self) -> int:
        """Pictures that never became a message."""
        return self.overtaken + self.source.dropped

    def _run(self) -> None:
        if self._lossless:
            self._wait_until(lambda: self._publisher.get_subscription_count() > 0)
        try:
            self._play()
        except Exception as error:  # a source must not take the graph with it
            self.diagnostics.bad_input(error)
        self.finished = True

    def _play(self) -> None:
        start_ns = None
        clock = PlayingTime(self.source.fps)
        for frame in self.source:
            if self._closing.is_set():
                return
            if start_ns is None:  # not before: a source may take a second to get ready
                start_ns = self._now_ns()
            if self.source.live:
                self._send(frame)
                continue
            frame = replace(frame, stamp_ns=clock.since_start(frame.stamp_ns))
            if self._lossless:
                self._send_and_wait(replace(frame, stamp_ns=start_ns + frame.stamp_ns))
            else:
                due_ns = start_ns + round(frame.stamp_ns / self.settings.rate)
                self._send_in_time(replace(frame, stamp_ns=due_ns))

    def _send_in_time(self, frame: Frame) -> None:
        period_ns = 1e9 / self.source.fps / self.settings.rate
        early_ns = frame.stamp_ns - self._now_ns()
        if early_ns < -period_ns:
            self.overtaken += 1
            return
        if early_ns > 0:
            self._closing.wait(early_ns * 1e-9)
        self._send(frame)

    def _send_and_wait(self, frame: Frame) -> None:
        self._answered.clear()
        self._sent = {frame.stamp_ns: time.perf_counter()}
        self._send(frame)
        deadline = time.monotonic() + _ANSWER_S
        while not self._answered.wait(0.2) and not self._closing.is_set():
            if time.monotonic() > deadline:
                self.overtaken += 1
                self.get_logger().warning(f'no answer to the picture of {frame.stamp_ns} ns in {_ANSWER_S} s; going on')
                return

    def _on_answer(self, msg: FaceAffectArray) -> None:
        sent = self._sent.pop(stamp_from_msg(msg.header.stamp), None)
        if sent is not None:
            self.diagnostics.time('answer', time.perf_counter() - sent)
            self._answered.set()

    def _send(self, frame: Frame) -> None:
        with self.diagnostics.timed('publish'):
            message = frame_to_msg(frame)
            if frame.intrinsics is not None:  # these two first, so that they are there when the image is worked on
                self._send_beside('camera_info', intrinsics_to_msg(frame.intrinsics, message.header))
            if frame.depth is not None:
                self._send_beside('depth', depth_to_msg(frame.depth, frame.frame_id))
            self._publisher.publish(message)
        self.published += 1
        self.diagnostics.done((self._now_ns() - frame.stamp_ns) * 1e-6)

    def _send_beside(self, topic: str, message: CameraInfo | Image) -> None:
        if topic not in self._beside:
            self._beside[topic] = self._advertise(type(message), topic)
        self._beside[topic].publish(message)

    def _wait_until(self, true) -> None:
        while not true() and not self._closing.is_set():
            self._closing.wait(0.05)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def close(self) -> None:
        self._closing.set()
        self.source.close()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)


def main(args=None) -> None:
    run_nodes(lambda: [CameraNode().start()], args)


if __name__ == '__main__':
    main()
