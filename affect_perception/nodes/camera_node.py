"""camera_node: pictures of a camera, file, stream or of the scene as sensor_msgs/Image.

Publishes  `image` (best effort, depth 1; reliable when `rate` is 0)
Subscribes `face_affect` when `rate` is 0: the next picture is sent when the last one has been answered

A live source stamps its pictures when they are grabbed. Recorded ones keep their own times, counted from the start of
the node, and a picture whose successor is already due is dropped and counted, as a camera would.
"""

from __future__ import annotations

import threading
import time

from rclpy.node import Node
from sensor_msgs.msg import Image

from affect_perception.msg import FaceAffectArray
from affect_perception.nodes import qos
from affect_perception.nodes.conversions import frame_to_msg, stamp_from_msg
from affect_perception.nodes.health import Health
from affect_perception.nodes.parameters import declare
from affect_perception.nodes.spin import run_nodes
from affect_perception.settings import SourceSettings
from affect_perception.sources import Source, open_source
from affect_perception.types import Frame

_ANSWER_S = 30.0  # an unanswered picture is given up after this time; a cold detector may take seconds


class CameraNode(Node):
    """`finished` becomes true when a recorded source has ended. `overrides` are settings from a program."""

    def __init__(self, overrides: dict | None = None, source: Source | None = None, **node_options):
        super().__init__('camera_node', **node_options)
        self.settings = declare(self, SourceSettings, overrides)
        self.finished = False
        self.overtaken = 0  # pictures of a recorded source that came too late to be of use
        self.published = 0
        self._sent: dict[int, float] = {}  # stamp of each unanswered picture -> when it was sent (only with rate 0)
        self._closing = threading.Event()
        self._answered = threading.Event()
        self._lossless = self.settings.rate == 0
        self._publisher = self.create_publisher(
            Image,
            'image',
            qos.RELIABLE_IMAGES if self._lossless else qos.IMAGES,
            qos_overriding_options=qos.overridable(),
        )
        if self._lossless:
            self.create_subscription(FaceAffectArray, 'face_affect', self._on_answer, qos.RESULTS)
        self.health = Health(self, lambda: self.dropped, lambda: {'source': self.settings.source})
        self.source = source or open_source(self.settings, self.health.bad_input)
        self._thread = threading.Thread(target=self._run, name='camera', daemon=True)

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
        start_ns = self._now_ns()
        try:
            while not self._closing.is_set():
                last_ns = self._play(start_ns)
                if not self.settings.loop or self.source.live:
                    break
                start_ns += last_ns + round(1e9 / self.source.fps)
        except Exception as error:  # a source must not take the graph with it
            self.health.bad_input(error)
        self.finished = True

    def _play(self, start_ns: int) -> int:
        """Plays the source once; returns the time (ns) of its last picture in its own time."""
        last_ns = 0
        for frame in self.source:
            if self._closing.is_set():
                break
            last_ns = frame.stamp_ns
            if self.source.live:
                self._send(frame)
            elif self._lossless:
                self._send_and_wait(Frame(start_ns + frame.stamp_ns, frame.frame_id, frame.rgb))
            else:
                self._send_in_time(
                    Frame(start_ns + round(frame.stamp_ns / self.settings.rate), frame.frame_id, frame.rgb)
                )
        return last_ns

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
            self.health.time('answer', time.perf_counter() - sent)
            self._answered.set()

    def _send(self, frame: Frame) -> None:
        with self.health.timed('publish'):
            self._publisher.publish(frame_to_msg(frame))
        self.published += 1
        self.health.done((self._now_ns() - frame.stamp_ns) * 1e-6)

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
