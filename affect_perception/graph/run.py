"""`affect-perception run`: the whole graph, a line each second, a JSON summary at the end."""

from __future__ import annotations

import time
from importlib.util import find_spec

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from affect_perception.errors import ConfigError
from affect_perception.graph.graph import Graph
from affect_perception.nodes.monitor_node import MonitorNode, in_words
from affect_perception.nodes.recorder_node import RecorderNode, Recording
from affect_perception.ros.executors import Spinner, stop_on_signals
from affect_perception.sources import Source

_TOPIC_WAIT_S = 5.0
_PORT_TRIES = 10  # somebody who tries two things at once wants two pages
_DRAIN_S = 0.5  # for the last pictures to come through
IMAGE_TYPES = {'sensor_msgs/msg/Image': 'raw', 'sensor_msgs/msg/CompressedImage': 'compressed'}


class Run:
    """A running graph with its monitor; use as a context manager. `settings` holds overrides per node name.

    `images` is a source as `SourceSettings.source` describes it, or `topic:NAME` for images that others publish.
    `record` says what to keep in a bag.
    """

    def __init__(
        self,
        images: str,
        settings: dict[str, dict],
        source: Source | None = None,
        on_affect=None,
        record: Recording | None = None,
    ):
        self._record, self.recorder, self.graph = record, None, None
        self._settings = {name: dict(values) for name, values in settings.items()}
        self._images, self._source, self._on_affect = images, source, on_affect

    def __enter__(self) -> Run:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        try:
            camera = not self._images.startswith('topic:')
            if camera:
                self._settings.setdefault('camera_node', {})['source'] = self._images
            else:
                self._settings.setdefault('face_tracker_node', {}).update(topic_settings(self._images[6:]))
            if camera and self._settings['camera_node'].get('rate') == 0:
                self._settings.setdefault('face_tracker_node', {}).update(reliable_images=True, detect_inline=True)
                parts = self._settings.setdefault('graph', {})
                if 'auto' in (parts.get('viewer_process', 'auto'), parts.get('watch_beside', 'auto')):
                    parts['viewer_process'] = 'thread'  # beside, they could not keep up
            self.graph = Graph(self._settings, camera, self._source)
            for node in self.graph.nodes:
                node.diagnostics.keep_all()
            self.monitor = MonitorNode(self._on_affect)
            if self._record is not None:
                tracker = self.graph.tracker
                self.recorder = RecorderNode(self._record, tracker.settings, tracker.image_type)
            self._beside = [node for node in (self.monitor, self.recorder) if node is not None]
            self._spinner = Spinner([*self.graph.nodes, *self._beside])
        except BaseException:
            if self.graph is not None:
                self.graph.close()
            rclpy.try_shutdown()
            raise
        self.started = time.monotonic()
        self.graph.start()
        return self

    def __exit__(self, *_) -> None:
        self.graph.close()
        self._spinner.close()
        for node in self._beside:
            node.close()
        for node in (*self.graph.nodes, *self._beside):
            node.destroy_node()
        rclpy.try_shutdown()

    @property
    def finished(self) -> bool:
        """A recorded source has ended (never true of a topic)."""
        return self.graph.camera is not None and self.graph.camera.finished

    def drain(self) -> None:
        """No more pictures from here on; waits for those under way."""
        self.elapsed_s = time.monotonic() - self.started
        if self.graph.camera is not None:
            self.graph.camera.close()
        time.sleep(_DRAIN_S)
        if self.recorder is not None:
            self.recorder.close()

    def line(self) -> str:
        """The progress line of this moment."""
        faces = self.monitor.last.faces if self.monitor.last is not None else ()
        recent = self._latencies()[-30:]
        latency = f'{np.median(recent):4.0f} ms' if len(recent) else '   - ms'
        people = ' | '.join(in_words(face) for face in faces) or 'nobody'
        did = self.monitor.behaviour
        agent = f'  agent: {did.action}, because {did.reason}' if did is not None else ''
        return f'{time.monotonic() - self.started:5.0f} s  {len(faces)} people  latency {latency}  {people}{agent}'

    def _latencies(self) -> np.ndarray:
        camera = self.graph.camera
        if camera is not None and camera.settings.rate == 0:
            # Stamps keep the time of the recording, so count from the sending.
            timings = camera.diagnostics.timings_ms().get('answer')
        else:
            timings = self.graph.affect.diagnostics.timings_ms().get('latency')
        return np.empty(0) if timings is None else timings

    def summary(self) -> dict:
        """The last-line JSON of DESIGN §4, after `drain`; latency is from image stamp to FaceAffectArray published."""
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


def percentiles(values_ms: np.ndarray, of=(50, 95, 99)) -> dict[str, float | None]:
    return {f'p{p}': round(float(np.percentile(values_ms, p)), 2) if len(values_ms) else None for p in of}


def topic_settings(topic: str) -> dict[str, str]:
    """The tracker's settings for images of `topic`; ConfigError when nobody publishes images there for 5 seconds."""
    node = Node('affect_perception_topic_check')
    try:
        name = node.resolve_topic_name(topic)
        deadline = time.monotonic() + _TOPIC_WAIT_S
        while time.monotonic() < deadline:
            kinds = {info.topic_type for info in node.get_publishers_info_by_topic(name)}
            for kind in kinds & set(IMAGE_TYPES):
                return {'image_topic': topic, 'image_transport': IMAGE_TYPES[kind]}
            if kinds:
                raise ConfigError(f'topic {name} carries {", ".join(kinds)}; wanted one of {", ".join(IMAGE_TYPES)}')
            time.sleep(0.1)
        others = sorted(n for n, types in node.get_topic_names_and_types() if set(types) & set(IMAGE_TYPES))
        now = ', '.join(others) or 'none'
        raise ConfigError(f'nobody publishes on {name} (waited {_TOPIC_WAIT_S:.0f} s); image topics now: {now}')
    finally:
        node.destroy_node()


def with_dashboard(settings: dict[str, dict]) -> dict[str, dict]:
    """`settings` with the dashboard, unless they say otherwise or aiohttp is missing, and at the next ports if 8080 is
    taken and no other was asked for.
    """
    graph, page = dict(settings.get('graph', {})), dict(settings.get('dashboard_node', {}))
    graph.setdefault('dashboard', find_spec('aiohttp') is not None)
    if 'dashboard_port' not in page:
        page.setdefault('dashboard_port_tries', _PORT_TRIES)
    return {**settings, 'graph': graph, 'dashboard_node': page}


def run(images: str, duration_s: float, settings: dict[str, dict], record: Recording | None = None) -> dict:
    """Runs until `duration_s` (0: no limit), the end of a recorded source or Ctrl-C; returns the summary."""
    settings = with_dashboard(settings)
    with stop_on_signals() as stop, Run(images, settings, record=record) as running:
        if running.graph.parts.agent:
            running.monitor.watch_agent()
        if running.graph.parts.dashboard:
            print(f'dashboard: {running.graph.dashboard_address}', flush=True)
        elif find_spec('aiohttp') is None:
            print('dashboard: none, for it needs aiohttp (pip install aiohttp)', flush=True)
        end = running.started + duration_s if duration_s else float('inf')
        next_line = running.started + 1
        while not stop.is_set() and time.monotonic() < end and not running.finished:
            stop.wait(max(min(next_line, end) - time.monotonic(), 0.0))
            if time.monotonic() >= next_line:
                print(running.line(), flush=True)
                next_line += 1
        running.drain()
        return running.summary()
