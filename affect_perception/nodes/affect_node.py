"""affect_node: affect of all faces of an image, in one batch of the network.

Subscribes `face_tracks` (FaceTrackArray), or the topics of `tracks_topics`, one per camera
           `audio_features` (AudioFeatures), where they are published: who speaks, and networks that hear
Publishes  `face_affect` (FaceAffectArray; reliable, depth 10), one per processed image, stamped as the image
Serves     `~/calibrate_neutral` (std_srvs/Trigger): estimate everyone's neutral face over the next `neutral_seconds`
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from typing import Any

import torch
from rclpy.publisher import Publisher
from std_srvs.srv import Trigger

from affect_perception.errors import ConfigError
from affect_perception.inference.engine import AffectEngine
from affect_perception.msg import FaceAffectArray, FaceTrackArray
from affect_perception.ros.conversions import affect_to_msg, tracks_from_msg
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.health.callbacks import serve
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.inputs.adaptive_subscription import AdaptiveSubscription, mixed
from affect_perception.ros.inputs.sound_input import SoundInput
from affect_perception.ros.lifecycle import AutostartLifecycleNode
from affect_perception.ros.startup.parameters import Overrides, declare_settings
from affect_perception.ros.topics import advertise
from affect_perception.runtime.newest_item import NewestItemPerKey, SlotWorker
from affect_perception.settings import AffectSettings
from affect_perception.types import AffectFrame, TrackedFrame

_PAUSE_S = 0.5  # without tracks, after which the tracker may be another one


class AffectNode(AutostartLifecycleNode):
    """Node of the network. `overrides` are settings given by a program; they weigh more than YAML and command line."""

    def __init__(self, overrides: Overrides | None = None, **node_options: Any) -> None:
        super().__init__('affect_node', **node_options)
        self.settings = declare_settings(self, AffectSettings, overrides, on_change=self._change)
        self._topics = input_topics(self.settings.tracks_topics)
        self.engine: AffectEngine | None = None
        self._worker: SlotWorker | None = None
        self._results: dict[str, Publisher] = {}  # by input topic
        self._inputs: list[AdaptiveSubscription] = []
        self._received_s: dict[str, float] = {}  # time of the last message, by input topic
        self._trackers: dict[str, set[bytes]] = {}  # ids of its publishers then
        self.slot = NewestItemPerKey()
        self.sound = SoundInput(self, self.settings.audio_topic, lambda error: self.diagnostics.bad_input(error))
        self.diagnostics = NodeDiagnostics(self, lambda: self.slot.dropped, self._details)
        serve(self, Trigger, '~/calibrate_neutral', self._calibrate_neutral)
        self.autostart_lifecycle()

    def load(self) -> None:
        """Load the model and create publishers and worker thread; ConfigError if the model cannot be used."""
        self.get_logger().info(f'loading model {self.settings.model} (backend {self.settings.backend})')
        self.engine = AffectEngine(self.settings)
        for topic in self._topics:
            self._results[topic] = advertise(self, FaceAffectArray, result_topic(topic))
        self._worker = SlotWorker('affect', self._process, self.slot, self.diagnostics.bad_input)

    def begin(self) -> None:
        """Subscribe to the tracks of every camera, and to sound."""
        self.sound.begin()
        self._inputs = [self._subscribe(topic) for topic in self._topics]

    def _subscribe(self, topic: str) -> AdaptiveSubscription:
        return AdaptiveSubscription(
            self,
            lambda: (topic, FaceTrackArray),
            self.slot.put_as(topic),
            reliable=True,
            on_publishers=lambda name, publishers: self.diagnostics.warn(name, mixed(name, publishers)),
        )

    def stop(self) -> None:
        """Unsubscribe; model and state per track are kept."""
        self.sound.stop()
        while self._inputs:
            self._inputs.pop().close()

    def free(self) -> None:
        """End the worker thread, destroy the publishers and free the model."""
        if self._worker is not None:
            self._worker.close()
        for publisher in self._results.values():
            self.destroy_publisher(publisher)
        self._results.clear()
        self._worker = self.engine = None
        gc.collect()
        torch.cuda.empty_cache()  # no effect without a GPU

    def _process(self, messages: dict[str, FaceTrackArray]) -> None:
        """Worker thread: the newest message of each camera to one result each."""
        frames = self._read(messages)
        if not frames or self.engine is None:
            return
        try:
            self._hear(max(frame.stamp_ns for frame in frames.values()))
            with self.diagnostics.timed('infer'):
                results = self.engine.steps(frames)
            results = {topic: self._add_speaking(topic, frames[topic], affect) for topic, affect in results.items()}
            with self.diagnostics.timed('publish'):
                for topic, affect in results.items():
                    self._results[topic].publish(affect_to_msg(affect))
        except Exception as error:  # noqa: BLE001 - thread border: counted and logged, the next message is processed
            self.diagnostics.bad_input(error)
            return
        now = self.get_clock().now().nanoseconds
        for affect in results.values():
            self.diagnostics.done((now - affect.stamp_ns) * 1e-6)

    def _hear(self, stamp_ns: int) -> None:
        """Give the sound up to an image to the network, for every camera."""
        for features in self.sound.take(stamp_ns):
            for topic in self._topics:
                try:
                    if self.engine is not None:
                        self.engine.hear(features, topic)
                except Exception as error:  # noqa: BLE001 - bad sound must not cost the faces
                    self.diagnostics.bad_input(error)

    def _add_speaking(self, topic: str, tracked: TrackedFrame, affect: AffectFrame) -> AffectFrame:
        try:
            return self.sound.add_speaking(topic, tracked, affect)
        except Exception as error:  # noqa: BLE001 - bad sound must not cost the faces
            self.diagnostics.bad_input(error)
            return affect

    def _read(self, messages: dict[str, FaceTrackArray]) -> dict[str, TrackedFrame]:
        frames = {}
        for topic, message in messages.items():
            if self._is_new_tracker(topic) and self.engine is not None:
                self.engine.reset(topic)
                self.diagnostics.event('tracker', f'another publisher on {topic}', 'its ids are those of new people')
            try:
                frames[topic] = tracks_from_msg(message, self.diagnostics.bad_input)
            except Exception as error:  # noqa: BLE001 - border to other programs: counted and logged
                self.diagnostics.bad_input(error)
        return frames

    def _is_new_tracker(self, topic: str) -> bool:
        """Whether messages of `topic` may come from a tracker that was restarted, whose ids begin again.

        The publishers are looked up after a pause only, as a tracker takes seconds to start.
        """
        before_s, self._received_s[topic] = self._received_s.get(topic, 0.0), time.monotonic()
        if self._received_s[topic] - before_s < _PAUSE_S:
            return False
        name = self.resolve_topic_name(topic)
        now = {bytes(info.endpoint_gid) for info in self.get_publishers_info_by_topic(name)}
        before, self._trackers[topic] = self._trackers.get(topic, now) or now, now
        return not now <= before  # of one that was killed the middleware keeps the old id for a while

    def _details(self) -> dict[str, object]:
        if self.engine is None:
            return {'model': 'none loaded'}
        model = {'model': self.engine.model_name, 'device': self.engine.device, 'backend': self.engine.backend}
        return {**model, **self.engine.details, **self.sound.details}

    def _change(self, settings: AffectSettings) -> None:
        self.settings = settings
        if self.engine is not None:
            self.engine.change(settings)

    def _calibrate_neutral(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self.engine is None:
            response.message = 'the node is not configured: no model is loaded'
            return response
        self.engine.calibrate_neutral()
        response.success = True
        response.message = (
            f'estimating neutral faces for {self.settings.neutral_seconds} s from the next image on; keep neutral'
        )
        return response


def input_topics(topics: str) -> list[str]:
    """Topics of a setting such as `left/face_tracks, right/face_tracks`; ConfigError for none, or one twice."""
    names = [name.strip() for name in topics.split(',') if name.strip()]
    results = [result_topic(name) for name in names]
    if not names or len(set(results)) < len(results):
        raise ConfigError(f'tracks_topics {topics!r}: give one topic or several different ones, separated by commas')
    return names


def result_topic(topic: str) -> str:
    """Topic of the results for a topic of face tracks: left/face_tracks -> left/face_affect."""
    head, slash, last = topic.rpartition('/')
    return f'{head}{slash}face_affect' if last == 'face_tracks' else f'{topic}/face_affect'


def main(args: Sequence[str] | None = None) -> None:
    """Run `ros2 run affect_perception affect_node`."""
    run_nodes(lambda: [AffectNode()], args, ['affect_node'])


if __name__ == '__main__':
    main()
