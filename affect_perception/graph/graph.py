"""The whole graph from one program: camera, tracker and network in one process, where images of any size pass between
the nodes without loss, and what uses their results in another (watch_process.py).

Python nodes cannot join a component container; this is their composition, and what `composed:=true` starts. Every node
keeps its own name, parameters, thread and topics, so that it looks the same from outside as one process each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rclpy.node import Node

from affect_perception.graph.viewer_process import ViewerProcess
from affect_perception.nodes.affect_node import AffectNode
from affect_perception.nodes.agent_node import AgentNode
from affect_perception.nodes.camera_node import CameraNode
from affect_perception.nodes.dashboard_node import DashboardNode
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.nodes.hri_node import HriNode
from affect_perception.nodes.marker_node import MarkerNode
from affect_perception.ros.depth_input import beside
from affect_perception.ros.executors import run_nodes
from affect_perception.settings import GraphSettings, TrackerSettings
from affect_perception.sources import Source


class Graph:
    """affect_node, face_tracker_node, what uses their results, and, unless images come from elsewhere, camera_node.

    `settings` holds overrides per node name, and under `graph` the parts that are wanted (GraphSettings). `camera`
    false leaves the camera out; `source` replaces what `camera_node` would open. `arguments` are those that rclpy.init
    got. `nodes` are those of this process; `agent`, `hri`, `dashboard` and `markers` are None when they are not wanted,
    or not of this process but of `watchers`.
    """

    def __init__(
        self,
        settings: dict[str, dict] | None = None,
        camera: bool = True,
        source: Source | None = None,
        arguments: Sequence[str] = (),
    ):
        # Five threads take turns for the interpreter; the usual 5 ms a turn would be the largest part of our latency.
        sys.setswitchinterval(0.0005)
        overrides = settings or {}
        self.nodes: list[Node] = []
        self.parts = parts = GraphSettings.from_mapping(overrides.get('graph', {}))
        self.watchers = ViewerProcess(arguments) if wants_process(parts) else None
        try:
            # First what is quick to refuse its settings.
            self.agent = self._watch(AgentNode, 'agent_node', overrides) if parts.agent else None
            self.hri = self._watch(HriNode, 'hri_node', overrides) if parts.hri else None
            self.dashboard = self._watch(DashboardNode, 'dashboard_node', overrides) if parts.dashboard else None
            self.affect = self._add(AffectNode(overrides.get('affect_node')))
            if self.watchers is not None:
                self.watchers.wait()  # not before: its start and the network's take a second each
            self.tracker = self._add(FaceTrackerNode(overrides.get('face_tracker_node')))
            images = overlay_settings(self.tracker.settings, self.watchers is not None)
            images = {'marker_node': images | (overrides.get('marker_node') or {})}
            self.markers = self._watch(MarkerNode, 'marker_node', images) if parts.markers else None
            if self.watchers is not None:
                self.watchers.wait()
                self.tracker.show = self.watchers.show
            self.camera = self._add(CameraNode(overrides.get('camera_node'), source)) if camera else None
        except BaseException:
            self.close()
            raise

    @property
    def dashboard_address(self) -> str | None:
        """The page's, if there is one."""
        if self.watchers is not None:
            return self.watchers.address
        return self.dashboard.address if self.dashboard is not None else None

    @property
    def bad_inputs(self) -> int:
        """What all nodes have counted."""
        here = sum(sum(node.diagnostics.bad_inputs.values()) for node in self.nodes)
        return here + (self.watchers.bad_inputs() if self.watchers is not None else 0)

    def _watch(self, kind: type[Node], name: str, overrides: dict[str, dict]) -> Node | None:
        """A node that uses results: here, or beside."""
        if self.watchers is None:
            return self._add(kind(overrides.get(name)))
        self.watchers.make(name, overrides.get(name))
        return None

    def _add(self, node):
        self.nodes.append(node)
        return node

    def start(self) -> None:
        """Lets the camera begin; the nodes must be spinning."""
        if self.camera is not None:
            self.camera.start()

    def close(self) -> None:
        if self.watchers is not None:
            self.watchers.close()
        for node in reversed(self.nodes):
            node.close()


def wants_process(parts: GraphSettings) -> bool:
    """Whether what uses results runs beside. (Elsewhere than on POSIX a child cannot be given a socket.)"""
    some = parts.agent or parts.markers or parts.hri or parts.dashboard
    return some and parts.viewer_process != 'thread' and os.name == 'posix'


def overlay_settings(tracker: TrackerSettings, given: bool = False) -> dict[str, str]:
    """Settings of marker_node that show it the tracker's images, where those are not the usual ones.

    `given`: it need not subscribe to the images, as it is given them.
    """
    if given:
        topic = tracker.camera_info_topic or beside(tracker.image_topic, 'camera_info')
        return {'overlay_camera_info_topic': topic} if topic != 'camera_info' else {}
    same = {
        'overlay_image_topic': ('image_topic', tracker.image_topic),
        'overlay_transport': ('image_transport', tracker.image_transport),
        'overlay_camera_info_topic': ('camera_info_topic', tracker.camera_info_topic),
    }
    usual = {declared.name: declared.default for declared in TrackerSettings.declared()}
    return {ours: value for ours, (theirs, value) in same.items() if value != usual[theirs]}


def parts_of(args: Sequence[str]) -> dict[str, bool | str]:
    """The parts that flags switch: `--no-agent` off, `--hri` on; `--watch-beside thread` is a choice."""
    parts: dict[str, bool | str] = {}
    for declared in GraphSettings.declared():
        name, flag = declared.name, '--' + declared.name.replace('_', '-')
        if declared.type is not bool:
            if flag in args:
                parts[name] = ''.join(args[args.index(flag) + 1 :][:1])
        elif flag in args or f'--no-{name}' in args:
            parts[name] = flag in args
    return parts


def main(args=None) -> None:
    """`ros2 run affect_perception graph [--no-camera] [--no-agent] [--no-markers] [--hri] [--dashboard]
    [--watch-beside thread]`.

    `-p camera_node:source:=scene` sets parameters by node, unless they are in a namespace: that needs a file of them.
    """
    given = sys.argv if args is None else args
    graphs: list[Graph] = []

    def make() -> list[Node]:
        graph = Graph({'graph': parts_of(given)}, camera='--no-camera' not in given, arguments=given)
        graphs.append(graph)
        graph.start()
        return graph.nodes

    try:
        run_nodes(make, args)
    finally:
        for graph in graphs:
            graph.close()


if __name__ == '__main__':
    main()
