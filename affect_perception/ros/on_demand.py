"""Subscriptions that exist only while somebody wants what they lead to: an output nobody listens to costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.subscription import Subscription

_EARLY = 0.25  # of a period: things that come about as often as they may are not to be halved by their jitter
_PERIOD_S = 0.5  # each look wakes the executor of the node, which is what an idle node costs


class OnDemand:
    """`inputs` maps a name to (is it wanted?, make the subscription); looked at twice a second.

    In the node's own thread and on the steady clock, so that a paused simulation does not stop it.
    """

    def __init__(self, node: Node, inputs: Mapping[str, tuple[Callable[[], bool], Callable[[], Subscription]]]):
        self._node = node
        self._inputs = inputs
        self._subscriptions: dict[str, Subscription] = {}
        node.create_timer(_PERIOD_S, self.look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def active(self) -> frozenset[str]:
        """The inputs that are subscribed now."""
        return frozenset(self._subscriptions)

    def look(self) -> None:
        """Subscribes what is wanted, and ends what no longer is."""
        for name, (wanted, subscribe) in self._inputs.items():
            if wanted() and name not in self._subscriptions:
                self._subscriptions[name] = subscribe()
            elif not wanted() and name in self._subscriptions:
                self._node.destroy_subscription(self._subscriptions.pop(name))

    def idle_reason(self) -> str:
        """Why nothing is done, for diagnostics; '' when something is."""
        return '' if self._subscriptions else 'nobody is subscribed'


class WhileWanted(CallbackGroup):
    """Messages of its subscriptions are left with the middleware, which keeps the newest, until `wanted` is true.

    Python takes a millisecond or more to unpack an image, and holds the interpreter meanwhile. Something else must wake
    the node when `wanted` becomes true.
    """

    def __init__(self, wanted: Callable[[], bool]):
        super().__init__()
        self._wanted = wanted

    def can_execute(self, entity) -> bool:
        return self._wanted()

    def beginning_execution(self, entity) -> bool:
        return self._wanted()

    def ending_execution(self, entity) -> None:
        pass


class Pace:
    """At most `rate` things a second, evenly. Time is an argument, in seconds of any steady clock."""

    def __init__(self):
        self._next_s = 0.0

    def due(self, now_s: float, rate: float) -> bool:
        """Whether another one may pass."""
        return now_s >= self._next_s - _EARLY / rate

    def passed(self, now_s: float, rate: float) -> None:
        """One has passed."""
        self._next_s = max(self._next_s, now_s - 1 / rate) + 1 / rate
