"""What `affect-perception run` shows: a subscriber of `face_affect` like any other, and the words for its lines."""

from __future__ import annotations

import time

from rclpy.node import Node

from affect_perception.msg import AgentBehaviour, FaceAffectArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import affect_from_msg, stamp_from_msg
from affect_perception.ros.on_demand import RateLimit, WhileWanted
from affect_perception.types import Affect, AffectFrame

_BEHAVIOUR_RATE = 4.0  # 1/s; more often than anybody reads it


class MonitorNode(Node):
    """Counts messages, people and ids, without a closer look at them: it shares the cores with what it counts.

    `longest_gap_s` is the longest time between the stamps of two results. `on_affect`, if given, gets every result.
    """

    def __init__(self, on_affect=None, **node_options):
        super().__init__('monitor_node', **node_options)
        self.messages = 0
        self.people_max = 0
        self.track_ids: set[int] = set()
        self.longest_gap_s = 0.0
        self._newest: FaceAffectArray | None = None
        self.behaviour: AgentBehaviour | None = None  # the newest one, once `watch_agent` was called
        self._on_affect = on_affect
        self._pace = RateLimit()
        self.create_subscription(FaceAffectArray, 'face_affect', self._count, qos.RESULTS)

    @property
    def last(self) -> AffectFrame | None:
        """The newest result."""
        return None if self._newest is None else affect_from_msg(self._newest)

    def _count(self, msg: FaceAffectArray) -> None:
        self.messages += 1
        self.people_max = max(self.people_max, len(msg.faces))
        self.track_ids.update(face.track_id for face in msg.faces)
        if self._newest is not None:
            gap_ns = stamp_from_msg(msg.header.stamp) - stamp_from_msg(self._newest.header.stamp)
            self.longest_gap_s = max(self.longest_gap_s, gap_ns * 1e-9)
        self._newest = msg
        if self._on_affect is not None:
            self._on_affect(affect_from_msg(msg))

    def watch_agent(self) -> None:
        """From now on also keeps the newest behaviour; apart, as an agent that nobody watches does nothing."""
        self.create_subscription(
            AgentBehaviour,
            'agent_behaviour',
            self._behave,
            qos.NEWEST_RESULT,
            callback_group=WhileWanted(lambda: self._pace.due(time.monotonic(), _BEHAVIOUR_RATE)),
        )

    def _behave(self, msg: AgentBehaviour) -> None:
        self._pace.passed(time.monotonic(), _BEHAVIOUR_RATE)
        self.behaviour = msg

    def close(self) -> None:
        pass


def in_words(face: Affect) -> str:
    """`3 high 0.91`: id, level, intensity."""
    return f'{face.track_id} {face.smile_level.name.lower()} {face.smile_intensity:.2f}'
