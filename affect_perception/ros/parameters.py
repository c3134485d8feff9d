"""Settings as ROS parameters: declared with description, unit and range; checked at start and when changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node

from affect_perception.errors import ConfigError
from affect_perception.settings import Setting, Settings

_UNBOUNDED = 2**31 - 1  # rclpy wants both ends of a range


def descriptor(declared: Setting) -> ParameterDescriptor:
    """What `ros2 param describe` shows of a setting."""
    unit = f' [{declared.unit}]' if declared.unit else ''
    out = ParameterDescriptor(
        description=declared.meaning + unit,
        additional_constraints=declared.allowed,
        read_only=not declared.live,
    )
    if declared.low is not None:
        high = _UNBOUNDED if declared.high is None else declared.high
        if declared.type is int:
            out.integer_range = [IntegerRange(from_value=int(declared.low), to_value=int(high), step=0)]
        else:
            out.floating_point_range = [FloatingPointRange(from_value=float(declared.low), to_value=float(high))]
    return out


def declare(
    node: Node,
    group: type[Settings],
    overrides: Mapping[str, Any] | None = None,
    on_change: Callable[[Settings], None] | None = None,
) -> Settings:
    """Declares every setting of `group` on `node`; returns the values: `overrides` over what YAML and
    command line give, over the defaults.

    Raises ConfigError with name, value and allowed range. `on_change` gets the new settings when a live one is set.
    """
    values = {}
    for declared in group.declared():
        if overrides and declared.name in overrides:
            given = overrides[declared.name]
        else:  # read without a type first, so that a wrong value is refused in our words and `rate: 2` does for 2.0
            untyped = ParameterDescriptor(dynamic_typing=True)
            given = node.declare_parameter(declared.name, declared.default, untyped).value
            node.undeclare_parameter(declared.name)
        values[declared.name] = declared.checked(given)
        node.declare_parameter(declared.name, values[declared.name], descriptor(declared), ignore_override=True)
    settings = group(**values)

    def changed(parameters) -> SetParametersResult:
        nonlocal settings
        names = {declared.name for declared in group.declared()}
        try:
            new = settings.changed(**{p.name: p.value for p in parameters if p.name in names})
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if new != settings:
            settings = new
            if on_change is not None:
                on_change(settings)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(changed)
    return settings
