"""monitor_node: counters and progress line of `affect-perception run`, a subscriber of `face_affect` like any other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from affect_perception.core.display.captions import SPEAKS, readings
from affect_perception.msg import AgentBehaviour, FaceAffectArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import affect_from_msg, stamp_from_msg
from affect_perception.ros.inputs.on_demand import RateLimit, WhileWanted
from affect_perception.ros.topics import subscribe
from affect_perception.types import Affect, AffectFrame

_BEHAVIOUR_RATE = 4.0  # 1/s; the progress line shows one a second


class MonitorNode(Node):
    """Counts messages, people and ids without unpacking faces: it shares the cores with what it counts.

    `longest_gap_s` is the longest time between the stamps of two results. `on_affect`, if given, gets every result.
    """

    def __init__(self, on_affect: Callable[[AffectFrame], None] | None = None, **node_options: Any) -> None:
        super().__init__('monitor_node', **node_options)
        self.messages = 0
        self.people_max = 0
        self.track_ids: set[int] = set()
        self.longest_gap_s = 0.0
        self._newest: FaceAffectArray | None = None
        self.behaviour: AgentBehaviour | None = None  # the newest one, once `watch_agent` was called
        self._on_affect = on_affect
        self._limit = RateLimit()
        subscribe(self, FaceAffectArray, 'face_affect', self._count)

    @property
    def last(self) -> AffectFrame | None:
        """Newest result, None if there is none yet."""
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
        """Keep the newest behaviour from now on; on request only, as agent_node is idle without subscribers."""
        due = WhileWanted(lambda: self._limit.due(time.monotonic(), _BEHAVIOUR_RATE))
        subscribe(self, AgentBehaviour, 'agent_behaviour', self._on_behaviour, qos.NEWEST_RESULT, due)

    def _on_behaviour(self, msg: AgentBehaviour) -> None:
        self._limit.passed(time.monotonic(), _BEHAVIOUR_RATE)
        self.behaviour = msg

    def close(self) -> None:
        """Nothing to end: the node has no threads."""


def in_words(face: Affect, affect: AffectFrame | None = None) -> str:
    """Face in the progress line: id, level and intensity, such as `3 high 0.91`, and `speaks` for a speaker.

    Without a smile: `3 amusement 0.62` or `3 V +0.20 A -0.10`, as far as known; `affect` names the labels.
    """
    voice = ' speaks' if face.speaking >= SPEAKS else ''  # not of NaN
    if math.isfinite(face.smile_intensity):
        return f'{face.track_id} {face.smile_level.name.lower()} {face.smile_intensity:.2f}{voice}'
    lines = readings(face, affect.expression_labels, affect.reaction_labels) if affect is not None else []
    known = [f'{n} {v:+.2f}' for n, v in (('V', face.valence), ('A', face.arousal)) if math.isfinite(v)]
    return ' '.join([str(face.track_id), *(lines or known or [face.smile_level.name.lower()])]) + voice
