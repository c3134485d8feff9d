"""affect_node: reads affect from the faces of an image, all in one batch.

Subscribes `face_tracks` (FaceTrackArray), or the topics of `tracks_topics`, one per camera
Publishes  `face_affect` (FaceAffectArray; reliable, depth 10), one per processed image, stamped as the image
Serves     `~/calibrate_neutral` (std_srvs/Trigger): take everyone's face of the next `neutral_seconds` as neutral
"""

from __future__ import annotations

import gc

import torch
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from std_srvs.srv import Trigger

from affect_perception.errors import ConfigError
from affect_perception.inference.engine import AffectEngine
from affect_perception.msg import FaceAffectArray, FaceTrackArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import affect_to_msg, tracks_from_msg
from affect_perception.ros.diagnostics import NodeDiagnostics
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.lifecycle import AutostartLifecycleNode
from affect_perception.ros.parameters import declare_settings
from affect_perception.runtime.newest_item import NewestItemPerKey, SlotWorker
from affect_perception.settings import AffectSettings


class AffectNode(AutostartLifecycleNode):
    """`overrides` are settings from a program; they weigh more than YAML and command line."""

    def __init__(self, overrides: dict | None = None, **node_options):
        super().__init__('affect_node', **node_options)
        self.settings = declare_settings(self, AffectSettings, overrides, on_change=self._change)
        self._topics = cameras(self.settings.tracks_topics)
        self._engine: AffectEngine | None = None
        self._worker: SlotWorker | None = None
        self._results: dict[str, Publisher] = {}
        self._heard: list[Subscription] = []
        self.slot = NewestItemPerKey()
        self.diagnostics = NodeDiagnostics(self, lambda: self.slot.dropped, self._facts)
        self.create_service(Trigger, '~/calibrate_neutral', self._calibrate_neutral)
        self.autostart_lifecycle()

    def load(self) -> None:
        self._engine = AffectEngine(self.settings)
        self.get_logger().info(f'model {self._engine.model_name} on {self._engine.device} by {self._engine.backend}')
        for topic in self._topics:
            self._results[topic] = self.create_publisher(
                FaceAffectArray, result_topic(topic), qos.RESULTS, qos_overriding_options=qos.overridable()
            )
        self._worker = SlotWorker('affect', self._process, self.slot)

    def begin(self) -> None:
        for topic in self._topics:
            self._heard.append(
                self.create_subscription(
                    FaceTrackArray,
                    topic,
                    self.slot.put_as(topic),
                    qos.RESULTS,
                    qos_overriding_options=qos.overridable(),
                )
            )

    def stop(self) -> None:
        while self._heard:
            self.destroy_subscription(self._heard.pop())

    def free(self) -> None:
        if self._worker is not None:
            self._worker.close()
        for publisher in self._results.values():
            self.destroy_publisher(publisher)
        self._results.clear()
        self._worker = self._engine = None
        gc.collect()
        torch.cuda.empty_cache()  # nothing without a GPU

    def _facts(self) -> dict[str, object]:
        if self._engine is None:
            return {'model': 'none loaded'}
        return {'model': self._engine.model_name, 'device': self._engine.device, 'backend': self._engine.backend}

    def _change(self, settings: AffectSettings) -> None:
        self.settings = settings
        if self._engine is not None:
            self._engine.change(settings)

    def _calibrate_neutral(self, _, response: Trigger.Response) -> Trigger.Response:
        if self._engine is None:
            response.message = 'the node is not configured; nobody is watched'
            return response
        self._engine.calibrate_neutral()
        response.success = True
        response.message = (
            f'watching everyone for {self.settings.neutral_seconds} s from the next image on; keep neutral'
        )
        return response

    def _process(self, messages: dict[str, FaceTrackArray]) -> None:
        frames = {}
        for topic, message in messages.items():
            try:
                frames[topic] = tracks_from_msg(message)
            except Exception as error:
                self.diagnostics.bad_input(error)
        if not frames:
            return
        try:
            with self.diagnostics.timed('infer'):
                read = self._engine.steps(frames)
            with self.diagnostics.timed('publish'):
                for topic, affect in read.items():
                    self._results[topic].publish(affect_to_msg(affect))
        except Exception as error:
            self.diagnostics.bad_input(error)
            return
        now = self.get_clock().now().nanoseconds
        for affect in read.values():
            self.diagnostics.done((now - affect.stamp_ns) * 1e-6)


def cameras(topics: str) -> list[str]:
    """The topics of a setting such as `left/face_tracks, right/face_tracks`; ConfigError for none, or one twice."""
    names = [name.strip() for name in topics.split(',') if name.strip()]
    results = [result_topic(name) for name in names]
    if not names or len(set(results)) < len(results):
        raise ConfigError(f'tracks_topics {topics!r}: give one topic or several different ones, separated by commas')
    return names


def result_topic(topic: str) -> str:
    """Where the results of a topic of face tracks are published."""
    head, slash, last = topic.rpartition('/')
    return f'{head}{slash}face_affect' if last == 'face_tracks' else f'{topic}/face_affect'


def main(args=None) -> None:
    run_nodes(lambda: [AffectNode()], args)


if __name__ == '__main__':
    main()
