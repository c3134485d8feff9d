"""Lifecycle nodes (design.ros2.org/articles/node_lifecycle.html) that start themselves.

configure loads and warms up, activate begins to listen, deactivate stops listening and keeps everything that was
learnt, cleanup frees memory. With `autostart: false` a node waits unconfigured for a lifecycle manager or
`ros2 lifecycle set`.
"""

from __future__ import annotations

from collections.abc import Callable

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from affect_perception.errors import AffectPerceptionError


class AutostartLifecycleNode(LifecycleNode):
    """Brings `load`, `begin`, `stop` and `free`; calls `autostart_lifecycle` at the end of its constructor.

    An error of the user in `load` or `begin` is raised by the constructor when the node starts itself, and fails the
    transition, with a line in the log, when somebody else does it.
    """

    def __init__(self, name: str, **node_options):
        super().__init__(name, **node_options)
        self._failure: Exception | None = None
        meaning = 'configure and activate at start; false waits for a lifecycle manager'
        self._autostart = self.declare_parameter(
            'autostart', True, ParameterDescriptor(description=meaning, read_only=True)
        ).value

    def load(self) -> None:
        """Make everything that takes memory or time, and the publishers."""

    def begin(self) -> None:
        """Listen."""

    def stop(self) -> None:
        """Listen no more; keep the rest."""

    def free(self) -> None:
        """Undo `load`."""

    def autostart_lifecycle(self) -> None:
        """Configure and activate, unless `autostart` is false; raises what went wrong."""
        if self._autostart:
            for transition in (self.trigger_configure, self.trigger_activate):
                transition()
                if self._failure is not None:
                    raise self._failure

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._done(self.load, undo=self.free)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_activate(state)
        return self._done(self.begin, undo=self.stop)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_deactivate(state)
        return self._done(self.stop)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._done(self.free)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._done(self.close)

    def close(self) -> None:
        """What is left is stopped and freed; may be called in any state, and twice."""
        self.stop()
        self.free()

    def _done(self, work: Callable[[], None], undo: Callable[[], None] | None = None) -> TransitionCallbackReturn:
        try:
            work()
        except AffectPerceptionError as error:
            self._failure = error
            self.get_logger().error(str(error))
            if undo is not None:
                undo()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._failure = error
            raise
        self._failure = None
        return TransitionCallbackReturn.SUCCESS
