"""What the page is told: the newest of everything, as one message. Pure: time is an argument, in seconds."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from affect_perception.core.agent.group_affect import GroupAffect, group_affect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.dashboard.stage_layout import camera_of, place
from affect_perception.types import Affect, AffectFrame, Intrinsics

_ANOTHER_CLOCK_S = 3600.0  # latencies beyond that are none: a recording
_FPS_OVER_S = 2.0
_STALE_S = 3.0  # what has not been renewed for this long is not shown
_DIAGNOSTICS_S = 5.0
_AGENT_NS = 1_000_000_000
_FIRST_SIZE = (640, 480)  # until the size of the images is known


@dataclass(frozen=True)
class NodeState:
    """What a node says of itself in /diagnostics; `values` are its key-value pairs."""

    name: str
    level: str  # OK, WARN, ERROR or STALE
    message: str
    values: Mapping[str, str]


class Board:
    """Takes what comes and says what there is to show. `view_deg`: the camera's field of view (stage.py)."""

    def __init__(self, view_deg: float):
        self._view_deg = view_deg
        self._size: tuple[int, int] | None = None
        self._camera = camera_of(_FIRST_SIZE, view_deg)
        self._affect: AffectFrame | None = None
        self._behaviour: tuple[int, Behaviour, GroupAffect] | None = None  # with its stamp
        self._nodes: dict[str, tuple[float, NodeState]] = {}  # with the time of arrival
        self._arrivals: deque[float] = deque(maxlen=512)
        self._latency_s = math.nan
        self.frames = 0

    @property
    def size_known(self) -> bool:
        """Whether the size of the images is known (`set_size`) and no face lies outside of it."""
        return self._size is not None

    def set_size(self, size: tuple[int, int]) -> None:
        """The images are `size` (width, height) px."""
        if min(size) > 0:
            self._size, self._camera = size, camera_of(size, self._view_deg)

    def take_affect(self, affect: AffectFrame, now_s: float, latency_s: float) -> None:
        """A result that came at `now_s` (any steady clock), `latency_s` after its image was taken."""
        self._affect = affect
        self._arrivals.append(now_s)
        self._latency_s = latency_s if abs(latency_s) < _ANOTHER_CLOCK_S else math.nan
        self.frames += 1
        right = max((face.box.x + face.box.width for face in affect.faces), default=0.0)
        if self._size is None:
            low = max((face.box.y + face.box.height for face in affect.faces), default=0.0)
            if right > self._camera.width or low > self._camera.height:  # grow until the size is told
                self._camera = camera_of(
                    (round(max(right, low * 4 / 3)), round(max(low, right * 3 / 4))), self._view_deg
                )
        elif right > self._size[0]:
            self._size = None  # the images have another size now: ask again

    def take_behaviour(self, stamp_ns: int, behaviour: Behaviour, group: GroupAffect) -> None:
        self._behaviour = stamp_ns, behaviour, group

    def take_state(self, state: NodeState, now_s: float) -> None:
        self._nodes[state.name] = now_s, state

    def forget(self) -> None:
        """Nobody looks: what is kept would be old when somebody does."""
        self._affect = self._behaviour = None
        self._arrivals.clear()
        self._nodes.clear()
        self._latency_s = math.nan

    def message(self, now_s: float, pictures: bool) -> dict:
        """The message for all pages, of plain values; what is not known is None. `pictures`: they may be had."""
        silent_s = now_s - self._arrivals[-1] if self._arrivals else None
        fresh = self._affect is not None and silent_s is not None and silent_s < _STALE_S
        faces = self._affect.faces if fresh else ()
        behaviour, group = self._agent(faces)
        states = [state for at, state in self._nodes.values() if now_s - at < _DIAGNOSTICS_S]
        return {
            'type': 'state',
            'stamp_ms': self._affect.stamp_ns / 1e6 if fresh else None,
            'model': self._affect.model if fresh else None,
            'people': [person(face, self._camera) for face in faces],
            'group': {
                'smile': number(group.smile_intensity),
                'valence': number(group.valence),
                'arousal': number(group.arousal),
            },
            'agent': behaviour,
            'status': {
                'fps': self._fps(now_s),
                'latency_ms': number(self._latency_s * 1e3, 1) if fresh else None,
                'dropped': dropped(states),
                'silent_s': number(silent_s, 1) if silent_s is not None else None,
                'nodes': [{'name': s.name, 'level': s.level, 'message': s.message} for s in states],
            },
            'pictures': pictures,
        }

    def _agent(self, faces: tuple[Affect, ...]) -> tuple[dict | None, GroupAffect]:
        """What the agent does, if it has said so lately, and the mood of the group: the agent's, else our own."""
        group = group_affect(faces)
        if self._behaviour is None or self._affect is None:
            return None, group
        stamp_ns, behaviour, of_agent = self._behaviour
        if abs(self._affect.stamp_ns - stamp_ns) > _AGENT_NS:
            return None, group
        said = {
            'action': behaviour.action,
            'target': behaviour.target_track_id,
            'strength': number(behaviour.strength),
            'reason': behaviour.reason,
        }
        return said, of_agent if faces else group

    def _fps(self, now_s: float) -> float:
        recent = [at for at in self._arrivals if now_s - at < _FPS_OVER_S]
        span = max(now_s - recent[0], 0.5) if len(recent) > 1 else _FPS_OVER_S
        return round(len(recent) / span, 1)


def person(face: Affect, camera: Intrinsics) -> dict:
    """A face as the page gets it: nothing by which somebody could be known again."""
    where = place(face, camera)
    return {
        'id': face.track_id,
        'x': number(where.x, 4),
        'y': number(where.y, 4),
        'size': number(where.size, 4),
        'distance_m': number(where.distance_m, 2),
        'level': face.smile_level.name.lower(),
        'smile': number(face.smile_intensity),
        'valence': number(face.valence),
        'arousal': number(face.arousal),
    }


def dropped(states: list[NodeState]) -> int | None:
    """Images that no result was made of, since the nodes started; None if none of those that count has spoken."""
    counts = [s.values.get('frames_dropped', '') for s in states if s.name.endswith(('tracker_node', 'affect_node'))]
    known = [int(count) for count in counts if count.isdigit()]
    return sum(known) if known else None


def number(value: float, digits: int = 3) -> float | None:
    """`value` for JSON, which has no NaN."""
    return round(value, digits) if math.isfinite(value) else None
