"""Settings as ROS parameters: declared with description, unit and range; validated at start and when changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from affect_perception.errors import ConfigError
from affect_perception.ros.health.callbacks import report_error
from affect_perception.runtime.files import text_of_name
from affect_perception.runtime.masking import masked
from affect_perception.settings import Setting, Settings

_UNBOUNDED = 2**31 - 1  # rclpy wants both ends of a range

Group = TypeVar('Group', bound=Settings)
Overrides = Mapping[str, Any]  # settings given by a program; they weigh more than YAML and command line


def descriptor(declared: Setting) -> ParameterDescriptor:
    """Descriptor of a setting, as `ros2 param describe` shows it."""
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


def declare_settings(
    node: Node,
    group: type[Group],
    overrides: Overrides | None = None,
    on_change: Callable[[Group], None] | None = None,
    least: Mapping[str, int] | None = None,
) -> Group:
    """Declare every setting of `group` as a parameter of `node`; returns the values.

    `overrides` weigh more than YAML and command line, these more than the defaults; a value below its `least` is raised
    to it. `on_change` gets the new settings when a live one is set. Raises ConfigError with name, value and allowed
    range.
    """
    values = {}
    for declared in group.declared():
        value = declared.checked(_given(node, declared, overrides or {}))
        if least and declared.name in least:
            value = declared.checked(max(value, least[declared.name]))
        shown = text_of_name(masked(value)) if isinstance(value, str) else value  # everybody can read parameters
        node.declare_parameter(declared.name, shown, descriptor(declared), ignore_override=True)
        values[declared.name] = value
    settings = group(**values)

    def changed(parameters: Iterable[Parameter]) -> SetParametersResult:
        nonlocal settings
        names = {declared.name for declared in group.declared()}
        try:
            new = settings.changed(**{p.name: p.value for p in parameters if p.name in names})
            if new != settings and on_change is not None:
                on_change(new)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # noqa: BLE001 - callback border: whoever sets the parameter gets an answer
            report_error(node, error)
            return SetParametersResult(successful=False, reason=f'{type(error).__name__}: {error}')
        settings = new
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(changed)
    return settings


def _given(node: Node, declared: Setting, overrides: Overrides) -> Any:
    """Value of a setting from `overrides`, else YAML or command line, by its name or its earlier one; else the default.

    Parameters are read without a type first, so that a wrong value is refused with our error text and `rate: 2` is
    accepted for 2.0.
    """
    names = [name for name in (declared.name, declared.alias) if name]
    for name in names:
        if name in overrides:
            return overrides[name]
    for name in names:
        value = given_value(node, name)
        if value is not None:
            return value
    return declared.default


def given_value(node: Node, name: str) -> Any:
    """Value of parameter `name` from YAML or command line, of any type; None if it is not given."""
    if node.has_parameter(name):
        return node.get_parameter(name).value
    value = node.declare_parameter(name, None, ParameterDescriptor(dynamic_typing=True)).value
    node.undeclare_parameter(name)
    return value
