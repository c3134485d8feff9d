"""Model of the page: the newest results, behaviour and diagnostics as one JSON message. Pure: time is an argument."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from affect_perception.core.agent.group_affect import GroupAffect, group_affect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.core.display.markers import assumed_intrinsics
from affect_perception.core.stamp_buffer import StampBuffer
from affect_perception.dashboard.stage_layout import stage_position
from affect_perception.types import Affect, AffectFrame, Intrinsics

_ANOTHER_CLOCK_S = 3600.0  # a longer latency is a stamp of another clock: a recording
_FPS_WINDOW_S = 2.0
_STALE_S = 3.0  # a result older than this is not shown
_DIAGNOSTICS_S = 5.0  # nor diagnostics older than this
_AGENT_SLOP_NS = 1_000_000_000  # largest difference between the stamps of a behaviour and of the result shown
_ASSUMED_SIZE = (640, 480)  # until the size of the images is known


@dataclass(frozen=True)
class NodeState:
    """Status of a node in /diagnostics; `values` are its key-value pairs."""

    name: str
    level: str  # OK, WARN, ERROR or STALE
    message: str
    values: Mapping[str, str]


class ViewModel:
    """State of the page, made of the newest messages. `view_deg`: horizontal field of view of the camera."""

    def __init__(self, view_deg: float) -> None:
        self._view_deg = view_deg
        self._size: tuple[int, int] | None = None
        self._camera = assumed_intrinsics(*_ASSUMED_SIZE, view_deg)
        self._affect: AffectFrame | None = None
        self._behaviours = StampBuffer[tuple[Behaviour, GroupAffect]](1, _AGENT_SLOP_NS)
        self._nodes: dict[str, tuple[float, NodeState]] = {}  # by name, with the time of arrival
        self._arrivals: deque[float] = deque(maxlen=512)
        self._latency_s = math.nan
        self.frames = 0

    @property
    def size_known(self) -> bool:
        """Whether the image size is known (`set_size`) and no face lies outside the image."""
        return self._size is not None

    def set_size(self, size: tuple[int, int]) -> None:
        """Set the image size, (width, height) in px."""
        if min(size) > 0:
            self._size, self._camera = size, assumed_intrinsics(*size, self._view_deg)

    def put_affect(self, affect: AffectFrame, now_s: float, latency_s: float) -> None:
        """Take a result that arrived at `now_s` (any steady clock), `latency_s` after its image was captured."""
        self._affect = affect
        self._arrivals.append(now_s)
        self._latency_s = latency_s if abs(latency_s) < _ANOTHER_CLOCK_S else math.nan
        self.frames += 1
        right = max((face.box.x + face.box.width for face in affect.faces), default=0.0)
        if self._size is None:
            bottom = max((face.box.y + face.box.height for face in affect.faces), default=0.0)
            if right > self._camera.width or bottom > self._camera.height:  # grow until the size is known
                size = round(max(right, bottom * 4 / 3)), round(max(bottom, right * 3 / 4))
                self._camera = assumed_intrinsics(*size, self._view_deg)
        elif right > self._size[0]:
            self._size = None  # the images have another size now

    def put_behaviour(self, stamp_ns: int, behaviour: Behaviour, group: GroupAffect) -> None:
        """Take the agent's behaviour and group affect for the image at `stamp_ns`."""
        self._behaviours.put(stamp_ns, (behaviour, group))

    def put_node(self, state: NodeState, now_s: float) -> None:
        """Take the status of a node that arrived at `now_s`."""
        self._nodes[state.name] = now_s, state

    def clear(self) -> None:
        """Drop cached state, so that a new page never starts with stale data."""
        self._affect = None
        self._behaviours.clear()
        self._arrivals.clear()
        self._nodes.clear()
        self._latency_s = math.nan

    def message(self, now_s: float, pictures: bool) -> dict[str, Any]:
        """Message for all pages, of plain JSON values, None for unknown. `pictures`: whether pages may show images."""
        silent_s = now_s - self._arrivals[-1] if self._arrivals else None
        affect = self._affect if silent_s is not None and silent_s < _STALE_S else None
        faces = affect.faces if affect is not None else ()
        behaviour, group = self._agent(faces)
        states = [state for at, state in self._nodes.values() if now_s - at < _DIAGNOSTICS_S]
        return {
            'type': 'state',
            'stamp_ms': affect.stamp_ns / 1e6 if affect is not None else None,
            'model': affect.model if affect is not None else None,
            'labels': {
                'expressions': list(affect.expression_labels) if affect is not None else [],
                'reactions': list(affect.reaction_labels) if affect is not None else [],
            },
            'people': [person_message(face, self._camera) for face in faces],
            'group': {
                'smile': number(group.smile_intensity),
                'valence': number(group.valence),
                'arousal': number(group.arousal),
            },
            'agent': behaviour,
            'status': {
                'fps': self._fps(now_s),
                'latency_ms': number(self._latency_s * 1e3, 1) if affect is not None else None,
                'dropped': dropped_images(states),
                'silent_s': number(silent_s, 1) if silent_s is not None else None,
                'nodes': [{'name': s.name, 'level': s.level, 'message': s.message} for s in states],
            },
            'pictures': pictures,
        }

    def _agent(self, faces: tuple[Affect, ...]) -> tuple[dict[str, Any] | None, GroupAffect]:
        """Behaviour of the agent, if recent, and the group affect: the agent's, else computed here."""
        group = group_affect(faces)
        recent = self._behaviours.find(self._affect.stamp_ns) if self._affect is not None else None
        if recent is None:
            return None, group
        behaviour, group_of_agent = recent
        message = {
            'action': behaviour.action,
            'target': behaviour.target_track_id,
            'strength': number(behaviour.strength),
            'reason': behaviour.reason,
        }
        return message, group_of_agent if faces else group

    def _fps(self, now_s: float) -> float:
        recent = [at for at in self._arrivals if now_s - at < _FPS_WINDOW_S]
        span = max(now_s - recent[0], 0.5) if len(recent) > 1 else _FPS_WINDOW_S
        return round(len(recent) / span, 1)


def person_message(face: Affect, camera: Intrinsics) -> dict[str, Any]:
    """Face as the page gets it: no image and no embedding, nothing that identifies a person."""
    position = stage_position(face, camera)
    return {
        'id': face.track_id,
        'x': number(position.x, 4),
        'y': number(position.y, 4),
        'size': number(position.size, 4),
        'distance_m': number(position.distance_m, 2),
        'level': face.smile_level.name.lower(),
        'smile': number(face.smile_intensity),
        'valence': number(face.valence),
        'arousal': number(face.arousal),
        'expressions': [number(value, 2) for value in face.expression_probabilities],
        'reactions': [number(value, 2) for value in face.reaction_intensities],
        'speaking': number(face.speaking, 2),
    }


def dropped_images(states: list[NodeState]) -> int | None:
    """Images dropped by tracker and network since their start; None without diagnostics of either."""
    counts = [s.values.get('frames_dropped', '') for s in states if s.name.endswith(('tracker_node', 'affect_node'))]
    known = [int(count) for count in counts if len(count) < 20 and count.isascii() and count.isdigit()]
    return sum(known) if known else None


def number(value: float, digits: int = 3) -> float | None:
    """Rounded `value` for JSON; None for NaN and infinity, which JSON lacks."""
    return round(value, digits) if math.isfinite(value) else None
