"""Compare two ways of an overlay image from the tracker's process to the viewer process, in CPU time per image.

`link`: scaled down, raw, through the socket pair of the viewer process (what the graph does). `topic`: scaled down, as
JPEG on a ROS topic, which the viewer process subscribes to like any viewer. `python benchmarks/overlay_paths.py` prints
the CPU milliseconds of both processes per image, the median of `--rounds` alternating rounds, and one JSON object as
the last line. CPU time, unlike latency, hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage
from skimage import data

from affect_perception.bench.machine import machine
from affect_perception.core.display.overlay import scaled_down
from affect_perception.ros import qos
from affect_perception.ros.conversions import bytes_to_msg, frame_from_msg, header_to_msg
from affect_perception.runtime.processes.framing import Link

_WIDTH, _QUALITY, _RATE, _TOPIC = 640, 80, 20.0, 'bench_preview/compressed'


def _cpu_ms(pid: int) -> float:
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def _receive_link(end: socket.socket) -> None:
    link = Link(end)
    while True:
        link.receive()


def _receive_topic() -> None:
    rclpy.init(args=[])
    node = Node('bench_preview_viewer')
    node.create_subscription(CompressedImage, _TOPIC, frame_from_msg, qos.RELIABLE_IMAGES)
    rclpy.spin(node)


def _measure(send: Callable[[], None], receiver: int, count: int) -> tuple[float, float]:
    """CPU ms per image of this process and of the receiver, at the pace of an overlay."""
    here, there = time.process_time(), _cpu_ms(receiver)
    for _ in range(count):
        send()
        time.sleep(1 / _RATE)
    return 1e3 * (time.process_time() - here) / count, (_cpu_ms(receiver) - there) / count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--images', type=int, default=60)
    args = parser.parse_args()
    rgb = cv2.resize(data.astronaut(), (1280, 720))
    context = multiprocessing.get_context('fork')
    ours, theirs = socket.socketpair()
    receivers = {
        'link': context.Process(target=_receive_link, args=(theirs,), daemon=True),
        'topic': context.Process(target=_receive_topic, daemon=True),
    }
    for receiver in receivers.values():
        receiver.start()
    link = Link(ours)
    rclpy.init(args=[])
    node = Node('bench_preview_tracker')
    publisher = node.create_publisher(CompressedImage, _TOPIC, qos.RELIABLE_IMAGES)
    while not publisher.get_subscription_count():
        time.sleep(0.1)

    def send_link() -> None:
        link.send('picture', scaled_down(rgb, _WIDTH), stamp_ns=time.time_ns(), frame_id='optical', width=1280)

    def send_topic() -> None:
        bgr = cv2.cvtColor(scaled_down(rgb, _WIDTH), cv2.COLOR_RGB2BGR)
        jpeg = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        header = header_to_msg(time.time_ns(), 'optical')
        publisher.publish(CompressedImage(header=header, format='jpeg', data=bytes_to_msg(np.asarray(jpeg))))

    sends = {'link': send_link, 'topic': send_topic}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in sends}
    for turn in range(args.rounds + 1):
        for name, send in sends.items():
            figure = _measure(send, receivers[name].pid or 0, args.images)
            if turn:  # the first one warms up
                figures[name].append(figure)
    rows = {
        name: {
            where: round(statistics.median(each), 2)
            for where, each in zip(('tracker_ms', 'viewers_ms'), zip(*values, strict=True), strict=True)
        }
        for name, values in figures.items()
    }
    for name, row in rows.items():
        print(f'{name:<8}{row["tracker_ms"]:>8.2f} ms here{row["viewers_ms"]:>8.2f} ms in the viewer process')
    print(json.dumps({'width': _WIDTH, 'rounds': args.rounds, 'cpu_ms_per_image': rows, 'machine': machine()}))
    for receiver in receivers.values():
        receiver.kill()
        receiver.join()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
