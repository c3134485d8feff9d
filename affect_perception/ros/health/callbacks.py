"""Callbacks of nodes, guarded: an error in one is counted in the diagnostics of its node and logged, and never raised.

rclpy raises an error of a callback in the thread that spins the node; every callback of this package therefore comes
from here: subscriptions (`topics.subscribe`), timers and services.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.service import Service
from rclpy.timer import Timer

from affect_perception.runtime.failures import FailureLog

GUARDED = '__guarded__'  # attribute of a guarded callback: the callback itself


def guarded(node: Node, callback: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a callback of `node`: an error is given to `report_error`, and the wrapper returns None."""

    @functools.wraps(callback)  # rclpy looks at the signature
    def call(*args: Any) -> Any:
        try:
            return getattr(call, GUARDED)(*args)
        except Exception as error:  # noqa: BLE001 - callback border: counted and logged, the node goes on
            report_error(node, error)
            return None

    setattr(call, GUARDED, callback)
    return call


def report_error(node: Any, error: Exception) -> None:
    """Count and log an error of a callback or loop of `node`, in its diagnostics where it has some.

    The error that an entity was destroyed meanwhile, as when a node deactivates, is none.
    """
    if type(error).__name__ == 'InvalidHandle':
        return
    diagnostics = getattr(node, 'diagnostics', None)
    if diagnostics is not None:
        diagnostics.bad_input(error)
        return
    if not hasattr(node, 'failures'):
        node.failures = FailureLog(node.get_name())
    node.failures(error)


def timer(node: Node, period_s: float, callback: Callable[[], object], steady: bool = False) -> Timer:
    """Timer of `node`; `steady`: on the steady clock, so that a paused simulation does not stop it."""
    clock = Clock(clock_type=ClockType.STEADY_TIME) if steady else None
    return node.create_timer(period_s, guarded(node, callback), clock=clock)


def serve(node: Node, srv_type: type, name: str, callback: Callable[[Any, Any], Any]) -> Service:
    """Service of `node`. A request that `callback` fails on is answered, by `success: false` and the error."""

    def answer(request: Any, response: Any) -> Any:
        try:
            return getattr(answer, GUARDED)(request, response)
        except Exception as error:  # noqa: BLE001 - callback border: counted, logged and told to the caller
            report_error(node, error)
            failed = srv_type.Response()  # type: ignore[attr-defined]  # of every service type
            if hasattr(failed, 'success'):
                failed.success, failed.message = False, f'{type(error).__name__}: {error}'
            return failed

    setattr(answer, GUARDED, callback)
    return node.create_service(srv_type, name, answer)
