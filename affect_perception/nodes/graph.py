"""The whole graph in one process, where images of any size pass between the nodes without loss.

Python nodes cannot join a component container; this is their composition, and what `composed:=true` starts. Every node
keeps its own name, parameters, thread and topics, so that it looks the same from outside as four processes.
"""

from __future__ import annotations

import sys

from rclpy.node import Node

from affect_perception.nodes.affect_node import AffectNode
from affect_perception.nodes.camera_node import CameraNode
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.nodes.spin import run_nodes
from affect_perception.sources import Source


class Graph:
    """affect_node, face_tracker_node and, unless images come from elsewhere, camera_node; made in that order.

    `settings` holds overrides per node name; `camera` false leaves the camera out; `source` replaces what
    `camera_node` would open.
    """

    def __init__(self, settings: dict[str, dict] | None = None, camera: bool = True, source: Source | None = None):
        # Five threads take turns for the interpreter; the usual 5 ms a turn would be the largest part of our latency.
        sys.setswitchinterval(0.0005)
        overrides = settings or {}
        self.nodes: list[Node] = []
        try:
            self.affect = self._add(AffectNode(overrides.get('affect_node')))
            self.tracker = self._add(FaceTrackerNode(overrides.get('face_tracker_node')))
            self.camera = self._add(CameraNode(overrides.get('camera_node'), source)) if camera else None
        except Exception:
            self.close()
            raise

    def _add(self, node):
        self.nodes.append(node)
        return node

    def start(self) -> None:
        """Lets the camera begin; the nodes must be spinning."""
        if self.camera is not None:
            self.camera.start()

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.close()


def main(args=None) -> None:
    """`ros2 run affect_perception graph [--no-camera]`; `-p camera_node:source:=scene` sets parameters by node."""
    camera = '--no-camera' not in (sys.argv if args is None else args)

    def make() -> list[Node]:
        graph = Graph(camera=camera)
        graph.start()
        return graph.nodes

    run_nodes(make, args)


if __name__ == '__main__':
    main()
