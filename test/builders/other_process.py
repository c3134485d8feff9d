"""Publishers of images in another process, as camera drivers and bag players are: played by `Cameras`, on command.

The process is this file itself, run as a program; it reads one JSON object per line and answers each with a line.
"""

import array
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

TIMEOUT_S = 60.0


class Cameras:
    """Another process that publishes images: `play` a few images, or `open` a publisher that stays."""

    def __init__(self) -> None:
        env = {**os.environ}
        for name in ('FASTDDS_BUILTIN_TRANSPORTS', 'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
            env.pop(name, None)
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=env
        )

    def ask(self, **command) -> dict:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command) + '\n')
        answer = self._process.stdout.readline()
        assert answer, 'the other process has ended'
        return json.loads(answer)

    def play(
        self,
        frames: int,
        matched: Callable[[], object],
        arrived: Callable[[], object] = bool,
        fps: float = 5.0,
        **options,
    ) -> None:
        """Publish `frames` images, numbered by their frame_id, from a new publisher that stays until `arrived()`.

        Begins when both sides have matched, publisher and `matched()`. As slowly and as few as a queue of ten bears.
        """
        from conftest import wait_until  # the other process runs this file too, without pytest

        self.ask(do='start', **options)
        wait_until(matched)
        self.ask(do='send', frames=frames, fps=fps, **options)
        wait_until(arrived)
        self.ask(do='stop')

    def open(self, name: str, **options) -> dict:
        """Create a publisher that stays, in a node called `name`, and publish one image now and then."""
        return self.ask(do='open', name=name, **options)

    def shut(self, name: str) -> dict:
        return self.ask(do='shut', name=name)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Player:
    """Commands that the other process carries out, a method each."""

    def __init__(self) -> None:
        self.nodes = {}
        self.noise = np.random.default_rng(0).integers(0, 255, (1080, 1920, 3), np.uint8)

    def start(self, **options) -> dict:
        self.playing = self.publisher(**options)
        return {}

    def send(self, frames: int, fps: float, ahead_s: float = 0.0, stuck: bool = False, **options) -> dict:
        node, images = self.playing
        limit = time.monotonic() + TIMEOUT_S
        while not images.get_subscription_count() and time.monotonic() < limit:
            time.sleep(0.01)
        out = self.message(**options)
        for i in range(frames):
            if i == 0 or not stuck:
                stamp(node, out, ahead_s)
            out.header.frame_id = str(i)
            images.publish(out)
            time.sleep(1 / fps)
        return {}

    def stop(self) -> dict:
        self.playing[0].destroy_node()
        return {}

    def open(self, name: str, **options) -> dict:
        self.nodes[name], images = self.publisher(name=name, **options)
        out = self.message(**options)
        stamp(self.nodes[name], out)
        images.publish(out)
        return {}

    def shut(self, name: str) -> dict:
        self.nodes.pop(name).destroy_node()
        return {}

    def publisher(
        self,
        name='driver',
        topic='image',
        reliability='reliable',
        compressed=False,
        info=False,
        latched=False,
        **_,
    ):
        node = Node(name)
        profile = QoSProfile(
            depth=10,
            reliability=QoSReliabilityPolicy[reliability.upper()],
            durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if latched else QoSDurabilityPolicy.VOLATILE,
        )
        kind = CameraInfo if info else CompressedImage if compressed else Image
        return node, node.create_publisher(kind, topic, profile)

    def message(self, width=640, height=480, compressed=False, info=False, encoding='rgb8', **_):
        picture = self.noise[:height, :width]
        if info:
            k = [500.0, 0.0, width / 2, 0.0, 500.0, height / 2, 0.0, 0.0, 1.0]
            return CameraInfo(width=width, height=height, k=k, distortion_model='plumb_bob', d=[0.0] * 5)
        if compressed:
            smooth = cv2.GaussianBlur(picture, (0, 0), 5)
            return CompressedImage(format='jpeg', data=array.array('B', cv2.imencode('.jpg', smooth)[1].tobytes()))
        if encoding == 'bgra8':
            picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA)
        data = array.array('B', picture.tobytes())
        return Image(width=width, height=height, encoding=encoding, step=picture.shape[2] * width, data=data)


def stamp(node, message, ahead_s: float = 0.0) -> None:
    ns = node.get_clock().now().nanoseconds + round(ahead_s * 1e9)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(ns, 10**9)


def main() -> None:
    rclpy.init()
    player = Player()
    for line in sys.stdin:
        command = json.loads(line)
        sys.stdout.write(json.dumps(getattr(player, command.pop('do'))(**command)) + '\n')
        sys.stdout.flush()
    rclpy.shutdown()


if __name__ == '__main__':
    main()
