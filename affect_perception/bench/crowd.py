"""Tracks of a crowd, published as a tracker would, for `bench soak --crowd`: more people than a detector here finds.

All people are replaced every `CAST` messages. The next message goes out when the result of the last one has arrived, so
the graph works as fast as it can.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Iterator

import numpy as np
from rclpy.node import Node

from affect_perception.msg import FaceTrackArray
from affect_perception.ros.conversions import tracks_to_msg
from affect_perception.ros.topics import advertise
from affect_perception.settings import SourceSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.types import AffectFrame, Box, Frame, Track, TrackedFrame

CAST = 160  # messages with the same people
_CROP_PX = 16  # of a face: what is recorded stays small
_SIZE = 1920, 1080
_ANSWER_S = 60.0  # for which a result is awaited


class NoImages:
    """`Source` without images, which ends when it is closed: the tracks do not come from images here."""

    name, live, dropped, fps, size = 'crowd', False, 0, 1.0, None

    def __init__(self) -> None:
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        self._closed.wait()
        return iter(())

    def close(self) -> None:
        """End the iteration."""
        self._closed.set()


class Crowd:
    """Publishes `frames` messages of `people` tracks in a thread from `start` to `close`; `note` takes the results."""

    def __init__(self, people: int, frames: int) -> None:
        self._frames, self._crops = frames, _crops()
        self.people, self.sent, self.lost = people, 0, 0
        self._latencies_ms = array('f')
        self._answered: dict[int, threading.Event] = {}
        self._closing = threading.Event()

    @property
    def finished(self) -> bool:
        """Whether all messages have been sent and answered, or given up."""
        return not self._thread.is_alive()

    @property
    def latencies(self) -> np.ndarray:
        """Times in ms from the sending of each message to its result."""
        return np.array(self._latencies_ms)

    def start(self) -> None:
        """Start to publish; ROS is running."""
        self._node = Node('crowd')
        self._publisher = advertise(self._node, FaceTrackArray, 'face_tracks')
        self._thread = threading.Thread(target=self._run, name='crowd', daemon=True)
        self._thread.start()

    def note(self, affect: AffectFrame) -> None:
        """Take a result of the graph."""
        if event := self._answered.pop(affect.stamp_ns, None):
            event.set()

    def close(self) -> None:
        """End the thread and destroy the node."""
        self._closing.set()
        self._thread.join(_ANSWER_S)
        self._node.destroy_node()

    def _run(self) -> None:
        while self._publisher.get_subscription_count() < 1 and not self._closing.wait(0.1):
            pass
        while self.sent < self._frames and not self._closing.is_set():
            if self.sent % CAST == 0:
                message = self.message(self.sent // CAST)
            answered, start = threading.Event(), time.time_ns()
            self._answered[start] = answered
            stamp = message.header.stamp
            stamp.sec, stamp.nanosec = divmod(start, 10**9)
            self._publisher.publish(message)
            self.sent += 1
            if answered.wait(_ANSWER_S):
                self._latencies_ms.append((time.time_ns() - start) / 1e6)
            else:
                self.lost += not self._closing.is_set()
                self._answered.pop(start, None)

    def message(self, cast: int) -> FaceTrackArray:
        """Tracks of the people of a cast, side by side."""
        columns = int(np.ceil(np.sqrt(self.people * _SIZE[0] / _SIZE[1])))
        side = _SIZE[0] // columns
        tracks = tuple(
            Track(
                track_id=cast * self.people + i + 1,
                box=Box(i % columns * side, i // columns * side % (_SIZE[1] - side), side - 1, side - 1),
                confidence=0.9,
                detection_age_s=0.0,
                crop=self._crops[(i + cast) % len(self._crops)],
            )
            for i in range(self.people)
        )
        return tracks_to_msg(TrackedFrame(0, 'camera_color_optical_frame', *_SIZE, tracks))


def _crops() -> list[np.ndarray]:
    """Faces of the scene, (_CROP_PX, _CROP_PX, 3) uint8."""
    camera = SourceSettings()
    scene = Scene(320, 240, camera.fps, 1, seed=0)
    pictures = [scene.frame(index * 5).rgb for index in range(20)]
    return [np.ascontiguousarray(rgb[::15, 40:280:15][:_CROP_PX, :_CROP_PX]) for rgb in pictures]
