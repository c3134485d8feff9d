"""`affect-perception run`: the whole graph with a progress line each second and a JSON summary at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node

from affect_perception.errors import ConfigError
from affect_perception.graph.graph import Graph, NodeSettings
from affect_perception.nodes.monitor_node import MonitorNode, in_words
from affect_perception.nodes.recorder_node import RecorderNode, Recording
from affect_perception.ros.executors import Spinner, stop_on_signals
from affect_perception.ros.startup.start import init_ros
from affect_perception.ros.topics import COMPRESSED, RAW, image_topics
from affect_perception.sources import Source
from affect_perception.types import AffectFrame

_TOPIC_WAIT_S = 5.0
_PORT_TRIES = 10  # two runs at once get two pages
_DRAIN_S = 0.5  # for the last images to be processed
IMAGE_TYPES = {RAW: 'raw', COMPRESSED: 'compressed'}


class RunningGraph:
    """A running graph with its monitor, as a context manager. `settings` holds overrides per node name.

    `images` is a source as `SourceSettings.source` describes it, or `topic:NAME` for images that others publish.
    `on_affect`, if given, gets every result. `record` are the options of a recording.
    """

    graph: Graph
    monitor: MonitorNode

    def __init__(
        self,
        images: str,
        settings: NodeSettings,
        source: Source | None = None,
        on_affect: Callable[[AffectFrame], None] | None = None,
        record: Recording | None = None,
    ) -> None:
        self._settings: NodeSettings = {name: dict(values) for name, values in settings.items()}
        self._images, self._source, self._on_affect, self._record = images, source, on_affect, record
        self.recorder: RecorderNode | None = None

    def __enter__(self) -> RunningGraph:
        init_ros()
        graph = None
        try:
            graph = self.graph = self._make_graph()
            for node in graph.nodes:
                node.diagnostics.keep_all()
            self.monitor = MonitorNode(self._on_affect)
            if self._record is not None:
                self.recorder = RecorderNode(self._record, graph.tracker.settings, graph.tracker.image_type)
            self._others = [node for node in (self.monitor, self.recorder) if node is not None]
            self._spinner = Spinner([*graph.nodes, *self._others])
        except BaseException:
            if graph is not None:
                graph.close(at_once=True)
            rclpy.try_shutdown()
            raise
        self.started = time.monotonic()
        graph.start()
        return self

    def _make_graph(self) -> Graph:
        tracker = self._settings.setdefault('face_tracker_node', {})
        if self._images.startswith('topic:'):
            tracker.update(topic_settings(self._images.removeprefix('topic:')))
            return Graph(self._settings, camera=False)
        camera = self._settings.setdefault('camera_node', {})
        camera['source'] = self._images
        if camera.get('rate') == 0:
            tracker.update(reliable_images=True, detect_inline=True)
            parts = self._settings.setdefault('graph', {})
            if parts.get('viewer_process', parts.get('watch_beside', 'auto')) == 'auto':
                parts['viewer_process'] = 'thread'  # a process at lower priority could not keep up
        return Graph(self._settings, camera=True, source=self._source)

    def __exit__(self, *_: object) -> None:
        self.graph.close()
        self._spinner.close()
        for node in self._others:
            node.close()
        for node in (*self.graph.nodes, *self._others):
            node.destroy_node()
        rclpy.try_shutdown()

    @property
    def finished(self) -> bool:
        """Whether a recorded source has ended (never true of a topic)."""
        return self.graph.camera is not None and self.graph.camera.finished

    def drain(self) -> None:
        """Stop the camera and wait for the images that are being processed."""
        self.elapsed_s = time.monotonic() - self.started
        if self.graph.camera is not None:
            self.graph.camera.close()
        time.sleep(_DRAIN_S)
        if self.recorder is not None:
            self.recorder.close()

    def line(self) -> str:
        """Progress line: time, people, latency, levels and intensities, behaviour of the agent."""
        last = self.monitor.last
        faces = last.faces if last is not None else ()
        recent = self._latencies()[-30:]
        latency = f'{np.median(recent):4.0f} ms' if len(recent) else '   - ms'
        people = ' | '.join(in_words(face, last) for face in faces) or 'nobody'
        behaviour = self.monitor.behaviour
        agent = f'  agent: {behaviour.action}, because {behaviour.reason}' if behaviour is not None else ''
        return f'{time.monotonic() - self.started:5.0f} s  {len(faces)} people  latency {latency}  {people}{agent}'

    def _latencies(self) -> np.ndarray:
        camera = self.graph.camera
        if camera is not None and camera.settings.rate == 0:
            # Stamps keep the time of the recording: measured from the sending of each image.
            timings = camera.diagnostics.timings_ms().get('answer')
        else:
            timings = self.graph.affect.diagnostics.timings_ms().get('latency')
        return np.empty(0) if timings is None else timings

    def summary(self) -> dict[str, Any]:
        """JSON of the last line, after `drain`; latency is from image stamp to FaceAffectArray published."""
        graph = self.graph
        processed = graph.affect.diagnostics.processed
        camera = graph.camera
        frames_in = camera.published + camera.dropped if camera is not None else graph.tracker.slot.received
        return {
            'frames_in': frames_in,
            'frames_processed': processed,
            'frames_dropped': max(frames_in - processed, 0),
            'messages': self.monitor.messages,
            'people_max': self.monitor.people_max,
            'track_ids': len(self.monitor.track_ids),
            'latency_ms': percentiles(self._latencies()),
            'fps': round(processed / self.elapsed_s, 2),
            'bad_inputs': graph.bad_inputs,
            **({'recorded': self.recorder.summary()} if self.recorder is not None else {}),
        }


def percentiles(values_ms: np.ndarray, of: tuple[int, ...] = (50, 95, 99)) -> dict[str, float | None]:
    """Percentiles of `values_ms` by name (`p50`), rounded to 0.01; None without values."""
    return {f'p{p}': round(float(np.percentile(values_ms, p)), 2) if len(values_ms) else None for p in of}


def topic_settings(topic: str) -> dict[str, str]:
    """Settings of the tracker for images of `topic`; ConfigError if nobody publishes images there within 5 s."""
    node = Node('affect_perception_topic_check')
    try:
        name = node.resolve_topic_name(topic)
        deadline = time.monotonic() + _TOPIC_WAIT_S
        while time.monotonic() < deadline:
            types = {info.topic_type for info in node.get_publishers_info_by_topic(name)}
            for msgtype in types & set(IMAGE_TYPES):
                return {'image_topic': topic, 'image_transport': IMAGE_TYPES[msgtype]}
            if types:
                raise ConfigError(f'topic {name} carries {", ".join(types)}; wanted one of {", ".join(IMAGE_TYPES)}')
            time.sleep(0.1)
        now = ', '.join(image_topics(node)) or 'none'
        raise ConfigError(f'nobody publishes on {name} (waited {_TOPIC_WAIT_S:.0f} s); image topics now: {now}')
    finally:
        node.destroy_node()


def with_dashboard(settings: NodeSettings) -> NodeSettings:
    """Copy of `settings` in which the web page runs, at the first free of ten ports.

    Explicit settings of `dashboard` and `dashboard_port` are kept; without aiohttp the page is left out.
    """
    graph, page = dict(settings.get('graph', {})), dict(settings.get('dashboard_node', {}))
    graph.setdefault('dashboard', find_spec('aiohttp') is not None)
    if 'dashboard_port' not in page:
        page.setdefault('dashboard_port_tries', _PORT_TRIES)
    return {**settings, 'graph': graph, 'dashboard_node': page}


def run(images: str, duration_s: float, settings: NodeSettings, record: Recording | None = None) -> dict[str, Any]:
    """Run until `duration_s` (0: no limit), the end of a recorded source or Ctrl-C; returns the summary."""
    graph = RunningGraph(images, with_dashboard(settings), record=record)
    with stop_on_signals(starting=True) as stop, graph as running:
        stop.starting = False
        if running.graph.parts.agent:
            running.monitor.watch_agent()
        if running.graph.parts.dashboard:
            _print(f'dashboard: {running.graph.dashboard_address}')
        elif find_spec('aiohttp') is None:
            _print('dashboard: none, for it needs aiohttp (pip install aiohttp)')
        end = running.started + duration_s if duration_s else float('inf')
        next_line = running.started + 1
        while not stop.is_set() and time.monotonic() < end and not running.finished:
            stop.wait(max(min(next_line, end) - time.monotonic(), 0.0))
            if time.monotonic() >= next_line:
                _print(running.line())
                next_line += 1
        running.drain()
        return running.summary()


def _print(line: str) -> None:
    sys.stdout.write(f'{line}\n')
    sys.stdout.flush()
