"""agent_node: decides what an agent should do about the people in view, and says why.

Subscribes `face_affect` (FaceAffectArray), only while somebody subscribes to the result
Publishes  `agent_behaviour` (AgentBehaviour; reliable, depth 10), one per FaceAffectArray, stamped as the image
"""

from __future__ import annotations

from rclpy.node import Node

from affect_perception.core.agent.group_affect import group_affect
from affect_perception.msg import AgentBehaviour, FaceAffectArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import affect_from_msg, behaviour_to_msg
from affect_perception.ros.diagnostics import NodeDiagnostics
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.on_demand import OnDemand
from affect_perception.ros.parameters import declare_settings
from affect_perception.ros.policy_loader import PolicyRunner
from affect_perception.settings import AgentSettings


class AgentNode(Node):
    """`overrides` are settings from a program; they weigh more than YAML and command line."""

    def __init__(self, overrides: dict | None = None, **node_options):
        super().__init__('agent_node', **node_options)
        self.settings = declare_settings(self, AgentSettings, overrides, on_change=self._change)
        self._decider = PolicyRunner(self.settings, self._on_failure)
        self._action, self._people = 'none', 0
        self._behaviours = self.create_publisher(
            AgentBehaviour, 'agent_behaviour', qos.RESULTS, qos_overriding_options=qos.overridable()
        )
        self._demand = OnDemand(
            self, {'face_affect': (lambda: self._behaviours.get_subscription_count() > 0, self._subscribe)}
        )
        self.diagnostics = NodeDiagnostics(
            self,
            lambda: 0,
            lambda: {'policy': self._decider.name, 'action': self._action, 'people': self._people},
            problem=lambda: self._decider.failure,
            idle_reason=self._demand.idle_reason,
        )

    def _subscribe(self):
        return self.create_subscription(
            FaceAffectArray, 'face_affect', self._process, qos.RESULTS, qos_overriding_options=qos.overridable()
        )

    def _process(self, msg: FaceAffectArray) -> None:
        try:
            affect = affect_from_msg(msg)
            with self.diagnostics.timed('decide'):
                behaviour = self._decider.decide(affect.faces, affect.stamp_ns)
            group = group_affect(affect.faces, self.settings.group_position)
            self._behaviours.publish(behaviour_to_msg(behaviour, group, msg.header))
        except Exception as error:
            self.diagnostics.bad_input(error)
            return
        self._action, self._people = behaviour.action, group.people
        self.diagnostics.done((self.get_clock().now().nanoseconds - affect.stamp_ns) * 1e-6)

    def _change(self, settings: AgentSettings) -> None:
        self.settings = settings
        self._decider.change(settings)

    def _on_failure(self, text: str) -> None:
        self.get_logger().error(text)

    def close(self) -> None:
        pass


def main(args=None) -> None:
    run_nodes(lambda: [AgentNode()], args)


if __name__ == '__main__':
    main()
