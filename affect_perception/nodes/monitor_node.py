"""What `affect-perception run` shows: a subscriber of `face_affect` like any other, and the words for its lines."""

from __future__ import annotations

from rclpy.node import Node

from affect_perception.msg import AgentBehaviour, FaceAffectArray
from affect_perception.nodes import qos
from affect_perception.nodes.conversions import affect_from_msg
from affect_perception.types import Affect, AffectFrame


class MonitorNode(Node):
    """Counts messages, people and ids; `last` is the newest result. `on_affect`, if given, gets every result."""

    def __init__(self, on_affect=None, **node_options):
        super().__init__('monitor_node', **node_options)
        self.messages = 0
        self.people_max = 0
        self.track_ids: set[int] = set()
        self.last: AffectFrame | None = None
        self.behaviour: AgentBehaviour | None = None  # the newest one, once `watch_agent` was called
        self._on_affect = on_affect
        self.create_subscription(FaceAffectArray, 'face_affect', self._count, qos.RESULTS)

    def _count(self, msg: FaceAffectArray) -> None:
        affect = affect_from_msg(msg)
        self.messages += 1
        self.people_max = max(self.people_max, len(affect.faces))
        self.track_ids.update(face.track_id for face in affect.faces)
        self.last = affect
        if self._on_affect is not None:
            self._on_affect(affect)

    def watch_agent(self) -> None:
        """From now on also keeps the newest behaviour; apart, as an agent that nobody watches does nothing."""
        self.create_subscription(AgentBehaviour, 'agent_behaviour', self._behave, qos.RESULTS)

    def _behave(self, msg: AgentBehaviour) -> None:
        self.behaviour = msg

    def close(self) -> None:
        pass


def in_words(face: Affect) -> str:
    """`3 high 0.91`: id, level, intensity."""
    return f'{face.track_id} {face.smile_level.name.lower()} {face.smile_intensity:.2f}'
