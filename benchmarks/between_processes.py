"""Images from a camera in another process: how many are answered, and how late, beside the graph with its own camera.

    python benchmarks/between_processes.py --width 1280 --height 720 --seconds 20

For each way (`inside`: camera in the process of tracker and network; `reliable`, `best_effort` and `compressed`: camera
in a process of its own) the real executables are started and watched over ROS. Prints a table, then one JSON object:
per way the share of the published images that were answered or overtaken by a newer one in a slot of ours (counted in
diagnostics), the share answered, and the latency from image stamp to the reception of the FaceAffectArray. `bare` and
`bare_best_effort` have a subscription of rclpy in place of the graph, and the latency to its callback: what the
middleware costs.

FASTDDS_BUILTIN_TRANSPORTS=DEFAULT in the environment keeps our processes from their own Fast DDS profile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image

from affect_perception.msg import FaceAffectArray
from affect_perception.ros.startup.start import init_ros

WAYS = ('inside', 'reliable', 'best_effort', 'compressed', 'bare', 'bare_best_effort')
_GRAPH = ['-m', 'affect_perception.graph.graph', '--no-agent', '--no-markers']
_CAMERA = ['-m', 'affect_perception.nodes.camera_node']
_BARE = 'bare_subscription'  # name of the program in place of the graph
_START_S = 300.0


class Monitor(Node):
    """Counts results and keeps the newest diagnostics of each node."""

    def __init__(self) -> None:
        super().__init__('between_processes')
        self.latencies_ms: list[float] = []
        self.values: dict[str, dict[str, str]] = {}
        self.create_subscription(FaceAffectArray, 'face_affect', self._on_affect, 10)
        self.create_subscription(Image, _BARE, self._on_bare, 10)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 50)

    def _on_affect(self, msg: FaceAffectArray) -> None:
        self.latencies_ms.append(age_ms(self, msg))

    def _on_bare(self, msg: Image) -> None:
        self.latencies_ms.append(float(msg.header.frame_id))

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            self.values[status.name.split(': ')[1]] = {pair.key: pair.value for pair in status.values}

    def count(self, node: str, key: str) -> int:
        """Counter `key` of a node, from its newest diagnostics."""
        return int(self.values.get(node, {}).get(key, 0))

    def counts(self, bare: bool) -> dict[str, int]:
        """Counters of images since the start."""
        if bare:
            some = len(self.latencies_ms)
            return {'published': self.count('camera_node', 'frames_processed'), 'answered': some, 'overtaken': 0}
        tracker, affect = 'face_tracker_node', 'affect_node'
        return {
            'published': self.count('camera_node', 'frames_processed'),
            'answered': self.count(affect, 'frames_processed'),
            'overtaken': self.count(tracker, 'frames_dropped') + self.count(affect, 'frames_dropped'),
        }

    def spin_for(self, seconds: float) -> None:
        """Receive messages for some time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rclpy.spin_once(self, timeout_sec=0.1)


def age_ms(node: Node, msg: FaceAffectArray | Image) -> float:
    """Time since the stamp of a message."""
    stamp_ns = msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec
    return (node.get_clock().now().nanoseconds - stamp_ns) * 1e-6


def subscribe_only(best_effort: bool) -> None:
    """Program of the `bare` ways: publishes the age of each image as the frame_id of an empty one, without end."""
    init_ros()
    node = Node(_BARE)
    ages = node.create_publisher(Image, _BARE, 10)

    def on_image(msg: Image) -> None:
        age = Image()
        age.header.frame_id = str(age_ms(node, msg))
        ages.publish(age)

    wanted = QoSReliabilityPolicy.BEST_EFFORT if best_effort else QoSReliabilityPolicy.RELIABLE
    node.create_subscription(Image, 'image', on_image, QoSProfile(depth=10, reliability=wanted))
    rclpy.spin(node)


def start(way: str, args: argparse.Namespace, log: Path) -> list[subprocess.Popen]:
    """Start the executables of one way; their output goes to `log`."""
    camera = {
        'source': 'scene',
        'width': args.width,
        'height': args.height,
        'fps': args.fps,
        'scene_people': args.people,
    }
    as_flags = [part for name, value in camera.items() for part in ('-p', f'camera_node:{name}:={value}')]
    commands = [[*_GRAPH, *(['--no-camera'] if way != 'inside' else []), '--ros-args', *as_flags]]
    if way.startswith('bare'):
        commands = [[__file__, '--subscribe', way]]
    if way == 'compressed':
        commands[0] += ['-p', 'face_tracker_node:image_transport:=compressed']
    if way != 'inside':
        offered = 'best_effort' if way.endswith('best_effort') else 'reliable'
        offers = ['-p', f'qos_overrides./image.publisher.reliability:={offered}']
        commands.append([*_CAMERA, '--ros-args', *as_flags, *offers])
    with log.open('w') as file:
        return [subprocess.Popen([sys.executable, *c], stdout=file, stderr=subprocess.STDOUT) for c in commands]


def measure(way: str, args: argparse.Namespace, log: Path) -> dict[str, object]:
    """Figures of one way."""
    monitor, processes = Monitor(), start(way, args, log)
    try:
        limit = time.monotonic() + _START_S
        while len(monitor.latencies_ms) < 30:
            monitor.spin_for(0.5)
            if time.monotonic() > limit or any(p.poll() is not None for p in processes):
                sys.exit(f'{way}: no results; the log is {log}')
        monitor.spin_for(args.warm_up)
        bare = way.startswith('bare')
        before, first = monitor.counts(bare), len(monitor.latencies_ms)
        monitor.spin_for(args.seconds)
        delta = {name: value - before[name] for name, value in monitor.counts(bare).items()}
        latencies = np.array(monitor.latencies_ms[first:])
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
        monitor.destroy_node()
    published = max(delta['published'], 1)
    return {
        'way': way,
        **delta,
        'answered_or_overtaken': round((delta['answered'] + delta['overtaken']) / published, 4),
        'answered_share': round(delta['answered'] / published, 4),
        **{f'p{p}_ms': round(float(np.percentile(latencies, p)), 1) for p in (50, 95)},
    }


def main() -> None:
    """Measure the ways of the command line, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--width', type=int, default=640)
    parser.add_argument('--height', type=int, default=480)
    parser.add_argument('--fps', type=float, default=30.0)
    parser.add_argument('--people', type=int, default=2)
    parser.add_argument('--seconds', type=float, default=20.0)
    parser.add_argument('--warm-up', type=float, default=5.0)
    parser.add_argument('--ways', nargs='+', default=list(WAYS), choices=WAYS)
    parser.add_argument('--subscribe', choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.subscribe:
        return subscribe_only(args.subscribe.endswith('best_effort'))
    os.environ.setdefault('ROS_DOMAIN_ID', str(100 + os.getpid() % 100))
    rclpy.init()
    folder = Path(tempfile.mkdtemp(prefix='between_processes_'))
    results = []
    print(f'{"":16} published answered overtaken  share   p50     p95 ms', flush=True)
    for way in args.ways:
        r = measure(way, args, folder / f'{way}.log')
        results.append(r)
        counts = ' '.join(f'{r[name]:9}' for name in ('published', 'answered', 'overtaken'))
        print(f'{way:16}{counts} {r["answered_or_overtaken"]:6.1%} {r["p50_ms"]:6} {r["p95_ms"]:7}', flush=True)
    rclpy.try_shutdown()
    print(json.dumps({'width': args.width, 'height': args.height, 'fps': args.fps, 'results': results}))


if __name__ == '__main__':
    main()
