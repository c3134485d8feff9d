"""Subscriptions that request what the publishers of their topic offer, and are made anew when the offers change.

A best-effort reader loses most large images of another process, as one missing piece of 64 kB spoils an image; a
reliable reader gets them all, but none from a best-effort publisher. So the reader is reliable while every publisher
is, and best effort as soon as one is not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSPolicyKind, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from affect_perception.ros import qos
from affect_perception.ros.health.callbacks import guarded, timer
from affect_perception.ros.startup.parameters import given_value

QUEUE = 10  # images that wait in the middleware while the interpreter is busy; each takes 1 to 3 ms to fetch
_PERIOD_S = 0.5  # between two looks at the publishers; an incompatible publisher is looked at at once
_POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)


@dataclass(frozen=True)
class Request:
    """Quality of service of a subscription; `latched`: also the last message from before (transient local)."""

    topic: str
    msgtype: type
    reliable: bool
    latched: bool = False

    def profile(self, depth: int) -> QoSProfile:
        """Profile with a queue of `depth` messages."""
        return QoSProfile(
            history=QoSHistoryPolicy.KEEP_LAST,
            depth=depth,
            reliability=QoSReliabilityPolicy.RELIABLE if self.reliable else QoSReliabilityPolicy.BEST_EFFORT,
            durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if self.latched else QoSDurabilityPolicy.VOLATILE,
        )


def all_reliable(publishers: Sequence[TopicEndpointInfo]) -> bool:
    """Whether every publisher is reliable; true of none."""
    return all(p.qos_profile.reliability != QoSReliabilityPolicy.BEST_EFFORT for p in publishers)


def all_latched(publishers: Sequence[TopicEndpointInfo]) -> bool:
    """Whether every publisher keeps its last message for late readers; false of none."""
    return bool(publishers) and all(p.qos_profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for p in publishers)


def publisher_names(publishers: Sequence[TopicEndpointInfo]) -> list[str]:
    """Full names of the nodes that publish, one for each publisher, sorted."""
    return sorted(f'{p.node_namespace.rstrip("/")}/{p.node_name}' for p in publishers)


def mixed(topic: str, publishers: Sequence[TopicEndpointInfo]) -> str:
    """Text that names several publishers of a topic that should have one, and the remedy; '' for one or none."""
    if len(publishers) < 2:
        return ''
    return (
        f'{len(publishers)} nodes publish on {topic} ({", ".join(publisher_names(publishers))}), and what they send is '
        'mixed. End one, or give each graph a namespace (namespace:=) or a ROS_DOMAIN_ID of its own'
    )


class AdaptiveSubscription:
    """Subscription of `node`; `callback` gets every message, in the thread of the node.

    `find` returns topic and message type, which may depend on what is published. Latched messages are requested if
    `latched`. `on_publishers` gets the resolved topic and its publishers whenever they changed. `on_incompatible` gets
    rclpy's event where reliability is fixed, by `reliable` or by YAML, and a publisher does not offer it.
    """

    def __init__(
        self,
        node: Node,
        find: Callable[[], tuple[str, type]],
        callback: Callable[[Any], None],
        *,
        depth: int = QUEUE,
        latched: bool = False,
        reliable: bool | None = None,
        group: CallbackGroup | None = None,
        on_publishers: Callable[[str, Sequence[TopicEndpointInfo]], None] | None = None,
        on_incompatible: Callable[[Any], None] | None = None,
    ) -> None:
        self._node, self._find, self._group = node, find, group
        self._callback = guarded(node, callback)
        self._depth, self._latched, self._fixed = depth, latched, reliable
        self._on_publishers, self._on_incompatible = on_publishers, on_incompatible
        self._lock = threading.RLock()  # the node's thread updates, another one may close
        self._subscription: Subscription | None = None
        self._request: Request | None = None
        self._closed = False
        self._seen: list[str] = []
        self._lost, self._lost_before = 0, 0
        self.update()
        self._timer = timer(node, _PERIOD_S, self.update, steady=True)

    @property
    def request(self) -> Request:
        """Quality of service requested at present."""
        assert self._request is not None
        return self._request

    @property
    def topic_name(self) -> str:
        """Resolved name of the topic."""
        return self._node.resolve_topic_name(self.request.topic)

    @property
    def matched(self) -> int:
        """Number of publishers that the subscription is matched with; safe in any thread."""
        with self._lock:  # `update` may be replacing the subscription
            return self._subscription.get_publisher_count() if self._subscription is not None else 0

    @property
    def lost(self) -> int:
        """Number of messages that the middleware reports as lost on their way."""
        return self._lost_before + self._lost

    def update(self) -> None:
        """Look at the publishers, and make the subscription anew if they offer something else."""
        with self._lock:
            if self._closed:
                return
            topic, msgtype = self._find()
            publishers = self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(topic))
            reliable = all_reliable(publishers) if self._fixed is None else self._fixed
            request = Request(topic, msgtype, reliable, self._latched and all_latched(publishers))
            if request != self._request:
                self._subscribe(request)
            names = publisher_names(publishers)
            if names != self._seen and not any('UNKNOWN' in name for name in names):  # discovery gives names last
                self._seen = names
                if self._on_publishers is not None:
                    self._on_publishers(self.topic_name, publishers)

    def _subscribe(self, request: Request) -> None:
        self._unsubscribe()
        given = self._given_policies(request.topic)
        self._subscription = self._node.create_subscription(
            request.msgtype,
            request.topic,
            self._callback,
            request.profile(self._depth),
            callback_group=self._group,
            event_callbacks=qos.SubscriptionEventCallbacks(
                incompatible_qos=guarded(self._node, self._incompatible),
                message_lost=guarded(self._node, self._count_lost),
            ),
            qos_overriding_options=QoSOverridingOptions(given),
        )
        self._request = request

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._lost_before, self._lost = self.lost, 0

    def _given_policies(self, topic: str) -> tuple[QoSPolicyKind, ...]:
        """Policies that YAML overrides for `topic`. Only these become parameters, which rclpy never changes again."""
        prefix = f'qos_overrides.{self._node.resolve_topic_name(topic)}.subscription.'
        return tuple(kind for kind in _POLICIES if given_value(self._node, prefix + kind.name.lower()) is not None)

    def _count_lost(self, event: Any) -> None:
        self._lost = event.total_count

    def _incompatible(self, event: Any) -> None:
        before = self._request
        self.update()
        if self._request == before and self._on_incompatible is not None:
            self._on_incompatible(event)

    def close(self) -> None:
        """Destroy the subscription."""
        self._node.destroy_timer(self._timer)
        with self._lock:
            self._closed = True
            self._unsubscribe()
