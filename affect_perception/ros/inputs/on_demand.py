"""Subscriptions that exist only while the output made of them has subscribers; rate limits of outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.subscription import Subscription

from affect_perception.ros.health.callbacks import report_error, timer
from affect_perception.ros.inputs.adaptive_subscription import AdaptiveSubscription
from affect_perception.runtime.failures import FailureLog

AnySubscription = Subscription | AdaptiveSubscription
_EARLY = 0.25  # of a period: inputs at about the maximum rate must not be halved by their jitter
_PERIOD_S = 0.5  # each check wakes the executor of the node, which is what an idle node costs


class OnDemand:
    """Subscriptions on demand. `inputs` maps a name to (is it wanted?, create the subscription), checked each 0.5 s.

    The check runs in the node's own thread and on the steady clock, so that a paused simulation does not stop it.
    """

    def __init__(
        self, node: Node, inputs: Mapping[str, tuple[Callable[[], bool], Callable[[], AnySubscription]]]
    ) -> None:
        self._node = node
        self._inputs = inputs
        self._subscriptions: dict[str, AnySubscription] = {}
        timer(node, _PERIOD_S, self.update, steady=True)

    @property
    def active(self) -> frozenset[str]:
        """Names of the inputs that are subscribed now."""
        return frozenset(self._subscriptions)

    def update(self) -> None:
        """Create the subscriptions that are wanted, and destroy those that no longer are; an error stops no other."""
        for name, (is_wanted, subscribe) in self._inputs.items():
            try:
                wanted = is_wanted()
                if wanted and name not in self._subscriptions:
                    self._subscriptions[name] = subscribe()
                elif not wanted and name in self._subscriptions:
                    self._destroy(self._subscriptions.pop(name))
            except Exception as error:  # noqa: BLE001 - loop border: counted and logged, tried again at the next check
                report_error(self._node, error)

    def _destroy(self, subscription: AnySubscription) -> None:
        if isinstance(subscription, AdaptiveSubscription):
            subscription.close()
        else:
            self._node.destroy_subscription(subscription)

    def idle_reason(self) -> str:
        """Reason why the node is idle, for diagnostics; '' while any input is subscribed."""
        return '' if self._subscriptions else 'nobody is subscribed'


class WhileWanted(CallbackGroup):
    """Callback group whose messages stay with the middleware, which keeps the newest, until `wanted()` is true.

    Python takes a millisecond or more to unpack an image, and holds the interpreter lock meanwhile. Something else must
    wake the node when `wanted` becomes true.
    """

    def __init__(self, wanted: Callable[[], bool]) -> None:
        super().__init__()
        self._is_wanted = wanted
        self._failures = FailureLog('whether a message is wanted')

    def can_execute(self, _entity: object) -> bool:
        """Callback of rclpy: whether the entity may be taken; true also where that cannot be told."""
        try:
            return self._is_wanted()
        except Exception as error:  # noqa: BLE001 - raised here, it would end every round of the executor
            self._failures(error)
            return True

    def beginning_execution(self, entity: object) -> bool:
        """Callback of rclpy: asked once more before the callback runs."""
        return self.can_execute(entity)

    def ending_execution(self, _entity: object) -> None:
        """Callback of rclpy: nothing to release."""


class RateLimit:
    """Rate limit with even spacing. Time is an argument, in seconds of any steady clock; rates are in 1/s."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def due(self, now_s: float, rate: float) -> bool:
        """Whether another item may pass now."""
        return now_s >= self._next_s - _EARLY / rate

    def passed(self, now_s: float, rate: float) -> None:
        """Record that an item has passed."""
        self._next_s = max(self._next_s, now_s - 1 / rate) + 1 / rate
