"""agent_node: behaviour of an agent towards the people in view, with its reason.

Subscribes `face_affect` (FaceAffectArray) and `audio_features` (AudioFeatures, where they are published: laughter),
           only while `agent_behaviour` has subscribers
Publishes  `agent_behaviour` (AgentBehaviour; reliable, depth 10), one per FaceAffectArray, stamped as the image
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node

from affect_perception.audio.laughter import with_laughter
from affect_perception.audio.sound_history import SoundHistory
from affect_perception.core.agent.group_affect import group_affect
from affect_perception.msg import AgentBehaviour, AudioFeatures, FaceAffectArray
from affect_perception.ros.conversions import affect_from_msg, behaviour_to_msg, features_from_msg
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.inputs.on_demand import OnDemand
from affect_perception.ros.startup.parameters import Overrides, declare_settings
from affect_perception.ros.startup.policy_loader import PolicyRunner
from affect_perception.ros.topics import advertise, subscribe
from affect_perception.settings import AgentSettings


class AgentNode(Node):
    """Node of the agent. `overrides` are settings given by a program; they weigh more than YAML and command line."""

    def __init__(self, overrides: Overrides | None = None, **node_options: Any) -> None:
        super().__init__('agent_node', **node_options)
        self.settings = declare_settings(self, AgentSettings, overrides, on_change=self._change)
        self._policy = PolicyRunner(self.settings, self._on_failure)
        self._action, self._people = 'none', 0
        self._sound = SoundHistory()
        self._behaviours = advertise(self, AgentBehaviour, 'agent_behaviour')
        self.demand = OnDemand(
            self,
            {
                'face_affect': (
                    lambda: self._behaviours.get_subscription_count() > 0,
                    lambda: subscribe(self, FaceAffectArray, 'face_affect', self._on_affect),
                ),
                'audio_features': (
                    lambda: self._behaviours.get_subscription_count() > 0,
                    lambda: subscribe(self, AudioFeatures, 'audio_features', self._on_sound),
                ),
            },
        )
        self.diagnostics = NodeDiagnostics(
            self,
            lambda: 0,
            lambda: {'policy': self._policy.name, 'action': self._action, 'people': self._people},
            problem=lambda: self._policy.failure,
            idle_reason=self.demand.idle_reason,
        )

    def _on_affect(self, msg: FaceAffectArray) -> None:
        try:
            affect = with_laughter(affect_from_msg(msg), self._sound)
            with self.diagnostics.timed('decide'):
                behaviour = self._policy.decide(affect.faces, affect.stamp_ns)
            group = group_affect(affect.faces, self.settings.group_position)
            self._behaviours.publish(behaviour_to_msg(behaviour, group, msg.header))
        except Exception as error:  # noqa: BLE001 - callback border: counted and logged, the next message is processed
            self.diagnostics.bad_input(error)
            return
        self._action, self._people = behaviour.action, group.people
        self.diagnostics.done((self.get_clock().now().nanoseconds - affect.stamp_ns) * 1e-6)

    def _on_sound(self, msg: AudioFeatures) -> None:
        try:
            self._sound.put(features_from_msg(msg))
        except Exception as error:  # noqa: BLE001 - callback border: counted and logged, the next message is processed
            self.diagnostics.bad_input(error)

    def _change(self, settings: AgentSettings) -> None:
        self.settings = settings
        self._policy.change(settings)

    def _on_failure(self, text: str) -> None:
        self.get_logger().error(text)

    def close(self) -> None:
        """Nothing to end: the node has no threads."""


def main(args: Sequence[str] | None = None) -> None:
    """Run `ros2 run affect_perception agent_node`."""
    run_nodes(lambda: [AgentNode()], args, ['agent_node'])


if __name__ == '__main__':
    main()
