"""The whole graph in one process, where images of any size pass between the nodes without loss.

Python nodes cannot join a component container; this is their composition, and what `composed:=true` starts. Every node
keeps its own name, parameters, thread and topics, so that it looks the same from outside as four processes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rclpy.node import Node

from affect_perception.nodes.affect_node import AffectNode
from affect_perception.nodes.agent_node import AgentNode
from affect_perception.nodes.camera_node import CameraNode
from affect_perception.nodes.dashboard_node import DashboardNode
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.nodes.hri_node import HriNode
from affect_perception.nodes.marker_node import MarkerNode
from affect_perception.nodes.spin import run_nodes
from affect_perception.settings import GraphSettings, TrackerSettings
from affect_perception.sources import Source


class Graph:
    """affect_node, face_tracker_node, what uses their results, and, unless images come from elsewhere, camera_node.

    `settings` holds overrides per node name, and under `graph` the parts that are wanted (GraphSettings); parts that
    are not are None. `camera` false leaves the camera out; `source` replaces what `camera_node` would open.
    """

    def __init__(self, settings: dict[str, dict] | None = None, camera: bool = True, source: Source | None = None):
        # Five threads take turns for the interpreter; the usual 5 ms a turn would be the largest part of our latency.
        sys.setswitchinterval(0.0005)
        overrides = settings or {}
        self.nodes: list[Node] = []
        parts = GraphSettings.from_mapping(overrides.get('graph', {}))
        try:
            # First what is quick to refuse its settings.
            self.agent = self._add(AgentNode(overrides.get('agent_node'))) if parts.agent else None
            self.hri = self._add(HriNode(overrides.get('hri_node'))) if parts.hri else None
            self.dashboard = self._add(DashboardNode(overrides.get('dashboard_node'))) if parts.dashboard else None
            self.affect = self._add(AffectNode(overrides.get('affect_node')))
            self.tracker = self._add(FaceTrackerNode(overrides.get('face_tracker_node')))
            images = overlay_settings(self.tracker.settings) | (overrides.get('marker_node') or {})
            self.markers = self._add(MarkerNode(images)) if parts.markers else None
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


def overlay_settings(tracker: TrackerSettings) -> dict[str, str]:
    """Settings of marker_node that show it the tracker's images, where those are not the usual ones."""
    same = {
        'overlay_image_topic': ('image_topic', tracker.image_topic),
        'overlay_transport': ('image_transport', tracker.image_transport),
        'overlay_camera_info_topic': ('camera_info_topic', tracker.camera_info_topic),
    }
    usual = {declared.name: declared.default for declared in TrackerSettings.declared()}
    return {ours: value for ours, (theirs, value) in same.items() if value != usual[theirs]}


def parts_of(args: Sequence[str]) -> dict[str, bool]:
    """The parts that flags switch: `--no-agent` off, `--hri` on."""
    names = [declared.name for declared in GraphSettings.declared()]
    return {n: f'--{n}' in args for n in names if f'--{n}' in args or f'--no-{n}' in args}


def main(args=None) -> None:
    """`ros2 run affect_perception graph [--no-camera] [--no-agent] [--no-markers] [--hri] [--dashboard]`.

    `-p camera_node:source:=scene` sets parameters by node.
    """
    given = sys.argv if args is None else args

    def make() -> list[Node]:
        graph = Graph({'graph': parts_of(given)}, camera='--no-camera' not in given)
        graph.start()
        return graph.nodes

    run_nodes(make, args)


if __name__ == '__main__':
    main()
