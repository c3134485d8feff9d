"""The node graph of one program: camera, tracker and network in this process, where images of any size pass between the
nodes without loss, and the viewers (agent, markers, ROS4HRI mirror, web page) in a process of their own.

rclpy nodes cannot join a component container; this composition is what `composed:=true` starts. Every node keeps its
own name, parameters, thread and topics, as if each had a process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

from affect_perception.graph.flags import parse_flags
from affect_perception.graph.viewer_process import ViewerProcess
from affect_perception.nodes.affect_node import AffectNode
from affect_perception.nodes.agent_node import AgentNode
from affect_perception.nodes.audio_node import AudioNode
from affect_perception.nodes.camera_node import CameraNode
from affect_perception.nodes.dashboard_node import DashboardNode
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.nodes.hri_node import HriNode
from affect_perception.nodes.marker_node import MarkerNode
from affect_perception.ros.executors import GraphNode, run_nodes
from affect_perception.ros.topics import sibling_topic
from affect_perception.settings import GROUPS, GraphSettings, TrackerSettings
from affect_perception.sources import Source

NodeSettings = dict[str, dict[str, Any]]  # overrides of settings per node name; under `graph` which nodes run
N = TypeVar('N')


class Graph:
    """affect_node, face_tracker_node, the viewers, and camera_node unless `camera` is false.

    `settings` holds overrides per node name, and under `graph` which viewers run (GraphSettings). `source` replaces the
    source that camera_node would open. `arguments` are those that rclpy.init got. `nodes` are the nodes of this
    process; `agent`, `hri`, `dashboard` and `markers` are None if they do not run, or run in the viewer process.
    """

    def __init__(
        self,
        settings: NodeSettings | None = None,
        camera: bool = True,
        source: Source | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        # Five threads share the interpreter; the default of 5 ms a turn would be the largest part of the latency.
        sys.setswitchinterval(0.0005)
        overrides = settings or {}
        self.nodes: list[GraphNode] = []
        self.parts = parts = GraphSettings.from_mapping(overrides.get('graph', {}))
        self.viewers = ViewerProcess(arguments) if has_viewer_process(parts) else None
        try:
            # First the nodes that refuse wrong settings quickly.
            self.agent = self._add_viewer(AgentNode, 'agent_node', overrides) if parts.agent else None
            self.hri = self._add_viewer(HriNode, 'hri_node', overrides) if parts.hri else None
            self.dashboard = self._add_viewer(DashboardNode, 'dashboard_node', overrides) if parts.dashboard else None
            self.affect = self._add(AffectNode(overrides.get('affect_node')))
            if self.viewers is not None:
                self.viewers.wait()  # not before: the start of viewers and network takes a second each
            engine = self.affect.engine
            least_crop = engine.crops.size if engine is not None else 0
            self.tracker = self._add(FaceTrackerNode(overrides.get('face_tracker_node'), least_crop))
            if engine is not None:
                engine.crops.check_margin(self.tracker.settings)
            overlay = overlay_settings(self.tracker.settings, self.viewers is not None)
            markers: NodeSettings = {'marker_node': {**overlay, **(overrides.get('marker_node') or {})}}
            self.markers = self._add_viewer(MarkerNode, 'marker_node', markers) if parts.markers else None
            if self.viewers is not None:
                self.viewers.wait()
                self.tracker.show = self.viewers.show
                self.viewers.on_end = self._on_viewers_end
            self.audio = self._add(AudioNode(self._sound_settings(overrides))) if has_sound(overrides) else None
            images = {**(overrides.get('camera_node') or {}), **self._scene_speech()}
            self.camera = self._add(CameraNode(images, source)) if camera else None
        except BaseException:
            self.close(at_once=True)
            raise

    @property
    def dashboard_address(self) -> str | None:
        """Address of the web page, None without one."""
        if self.viewers is not None:
            return self.viewers.address
        return self.dashboard.address if self.dashboard is not None else None

    @property
    def bad_inputs(self) -> int:
        """Number of bad inputs counted by all nodes."""
        here = sum(node.diagnostics.bad_inputs.total() for node in self.nodes)
        return here + (self.viewers.bad_inputs() if self.viewers is not None else 0)

    def _add_viewer(self, kind: type[N], name: str, overrides: NodeSettings) -> N | None:
        """Create a viewer node here, or request it from the viewer process (None)."""
        if self.viewers is None:
            return self._add(kind(overrides.get(name)))  # type: ignore[call-arg]  # every node takes its overrides
        self.viewers.make(name, overrides.get(name))
        return None

    def _sound_settings(self, overrides: NodeSettings) -> dict[str, Any]:
        """Settings of audio_node: given ones, and the features that the network was trained with."""
        need = self.affect.engine.audio if self.affect.engine is not None else None
        return {**(need.settings if need is not None else {}), **(overrides.get('audio_node') or {})}

    def _scene_speech(self) -> dict[str, bool]:
        """Setting that lets the people of a scene speak where their sound may be wanted."""
        wanted = self.audio is not None and self.audio.settings.audio in ('auto', 'scene')
        return {'scene_speech': True} if wanted else {}

    def _add(self, node: N) -> N:
        self.nodes.append(node)
        return node

    def _on_viewers_end(self, text: str) -> None:
        self.tracker.diagnostics.event('viewers', text, 'the viewers are started again, unless the log says otherwise')

    def start(self) -> None:
        """Start camera and sound; the nodes must be spinning."""
        if self.audio is not None:
            if self.camera is not None:
                images = self.camera.settings
                if self.camera.source.name == 'scene':  # what `auto` became without a camera
                    images = images.changed(source='scene')
                self.audio.beside(images, self.camera.playback)
                if images.rate == 0:
                    audio = self.audio
                    self.affect.sound.published_ns = lambda: audio.newest_ns
            self.audio.start()
        if self.camera is not None:
            self.camera.start()

    def close(self, at_once: bool = False) -> None:
        """End the viewer process, the threads and the child processes of all nodes; `at_once`: kill that process."""
        if self.viewers is not None:
            self.viewers.close(at_once)
        for node in reversed(self.nodes):
            node.close()


def has_sound(settings: NodeSettings) -> bool:
    """Whether audio_node runs: where a program gives its setting `audio`, not `off`, or the graph's setting `sound`."""
    given = (settings.get('audio_node') or {}).get('audio')
    wanted = (settings.get('graph') or {}).get('sound', False) if given is None else given != 'off'
    return bool(wanted)


def has_viewer_process(parts: GraphSettings) -> bool:
    """Whether the viewers run in a process of their own (on POSIX only: elsewhere a child cannot inherit a socket)."""
    some = parts.agent or parts.markers or parts.hri or parts.dashboard
    return some and parts.viewer_process != 'thread' and os.name == 'posix'


def overlay_settings(tracker: TrackerSettings, given: bool = False) -> dict[str, str]:
    """Settings of marker_node for the tracker's images, where these are not on the default topic.

    `given`: marker_node requests images from the tracker's process instead of subscribing to them.
    """
    if given:
        topic = tracker.camera_info_topic or sibling_topic(tracker.image_topic, 'camera_info')
        return {'overlay_camera_info_topic': topic} if topic != 'camera_info' else {}
    same = {
        'overlay_image_topic': ('image_topic', tracker.image_topic),
        'overlay_transport': ('image_transport', tracker.image_transport),
        'overlay_camera_info_topic': ('camera_info_topic', tracker.camera_info_topic),
    }
    defaults = {declared.name: declared.default for declared in TrackerSettings.declared()}
    return {overlay: value for overlay, (name, value) in same.items() if value != defaults[name]}


def main(args: Sequence[str] | None = None) -> None:
    """Run `ros2 run affect_perception graph [--no-camera] [--no-agent] [--no-markers] [--hri] [--dashboard]
    [--viewer-process thread] [--set NODE.SETTING=VALUE]`.

    `--set camera_node.source=scene` reaches nodes in any namespace; `-p camera_node:source:=scene` those in none.
    """
    given = sys.argv if args is None else args
    graphs: list[Graph] = []

    def make() -> list[GraphNode]:
        flags = parse_flags(given[1:])
        graph = Graph({**flags.settings, 'graph': flags.parts}, camera=flags.camera, arguments=given)
        graphs.append(graph)
        graph.start()
        return graph.nodes

    try:
        run_nodes(make, args, [name for name in GROUPS if name != 'graph'])
    finally:
        for graph in graphs:
            graph.close()


if __name__ == '__main__':
    main()
