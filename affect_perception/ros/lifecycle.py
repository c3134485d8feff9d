"""Lifecycle nodes (design.ros2.org/articles/node_lifecycle.html) that configure and activate themselves at start.

configure loads and warms up, activate subscribes, deactivate unsubscribes and keeps all state, cleanup frees memory.
With `autostart: false` a node waits unconfigured for a lifecycle manager or `ros2 lifecycle set`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from affect_perception.errors import AffectPerceptionError


class AutostartLifecycleNode(LifecycleNode):
    """Lifecycle base class. Override load/begin/stop/free, and call `autostart_lifecycle()` last in your `__init__`.

    An AffectPerceptionError in `load` or `begin` is raised by the constructor when the node starts itself; when a
    lifecycle manager asked for the transition, the transition fails with a line in the log.
    """

    def __init__(self, name: str, **node_options: Any) -> None:
        super().__init__(name, **node_options)
        self._failure: Exception | None = None
        meaning = 'configure and activate at start; false waits for a lifecycle manager'
        self._autostart: bool = self.declare_parameter(
            'autostart', True, ParameterDescriptor(description=meaning, read_only=True)
        ).value
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._answer_refused(service.callback)

    def load(self) -> None:
        """Configure: allocate what takes memory or time, and create the publishers."""

    def begin(self) -> None:
        """Activate: create the subscriptions."""

    def stop(self) -> None:
        """Deactivate: destroy the subscriptions, keep the rest."""

    def free(self) -> None:
        """Clean up: undo `load`. May be called when nothing is loaded."""

    def autostart_lifecycle(self) -> None:
        """Configure and activate, unless `autostart` is false; raises the exception of a failed transition."""
        if self._autostart:
            for transition in (self.trigger_configure, self.trigger_activate):
                transition()
                if self._failure is not None:
                    raise self._failure

    def on_configure(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback of rclpy: `load`."""
        return self._transition(self.load, undo=self.free)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback of rclpy: `begin`."""
        super().on_activate(state)
        return self._transition(self.begin, undo=self.stop)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback of rclpy: `stop`."""
        super().on_deactivate(state)
        return self._transition(self.stop)

    def on_cleanup(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback of rclpy: `free`."""
        return self._transition(self.free)

    def on_shutdown(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Transition callback of rclpy: `close`."""
        return self._transition(self.close)

    def close(self) -> None:
        """Stop and free; may be called in any state, and twice."""
        self.stop()
        self.free()

    def _answer_refused(self, change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Callback of the service `change_state` that also answers a transition which the present state does not have.

        rclpy before Kilted raises an error instead, and the lifecycle manager waits for an answer for ever.
        """

        @functools.wraps(change)
        def answer(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except rclpy_implementation.RCLError:
                wanted = request.transition.label or request.transition.id
                self.get_logger().error(
                    f'there is no transition {wanted} from state {self._state_machine.current_state}'
                )
                response.success = False
                return response

        return answer

    def _transition(self, work: Callable[[], None], undo: Callable[[], None] | None = None) -> TransitionCallbackReturn:
        try:
            work()
        except AffectPerceptionError as error:
            self._failure = error
            self.get_logger().error(str(error))
            if undo is not None:
                undo()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._failure = error  # rclpy turns it into a failed transition, without a word
            self.get_logger().error(f'{type(error).__name__}: {error}. This is a mistake of ours: please report it')
            raise
        self._failure = None
        return TransitionCallbackReturn.SUCCESS
