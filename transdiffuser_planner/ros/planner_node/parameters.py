"""ROS parameters generated from the typed configuration: names, defaults, descriptions and bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.parameter_overrides import QOS_OVERRIDES, ROS_PARAMETERS, planner_overrides
from transdiffuser_planner.core.planner_config import NodeConfig, PlannerConfig, with_real_numbers
from transdiffuser_planner.params import RIGS

RELOAD_FIELDS = ("backend", "provider", "strict_provider", "num_threads", "precision")
"""Fields that take effect when the model is loaded again (service ``~/reload_model``); everything else with the next cycle."""


def declare_parameters(node: Node) -> tuple[str, ...]:
    """Declare every field of PlannerConfig and NodeConfig with description, unit and bounds.

    Args:
        node: Declares them; made with ``automatically_declare_parameters_from_overrides``, as only so a node learns which
            parameters it was given: ROS 2 ignores those that are never declared.

    Returns:
        Names of the overrides of QoS that were given.

    Raises:
        ConfigError: A given name is unknown, or a value is invalid.
    """
    given = {name: parameter.value for name, parameter in node.get_parameters_by_prefix("").items()}
    values = planner_overrides(given, "ROS parameters")
    for name in given:
        if name not in ROS_PARAMETERS and not node.describe_parameter(name).read_only:
            node.undeclare_parameter(name)
    for item in fields(PlannerConfig):
        _declare(node, item.name, values.get(item.name, item.default), _descriptor(item))
    for item in fields(NodeConfig):
        default = str(RIGS / item.default) if item.name == "rig" else item.default
        _declare(node, item.name, values.get(item.name, default), _descriptor(item))
    if hasattr(node, "add_pre_set_parameters_callback"):  # ROS 2 Humble has none
        node.add_pre_set_parameters_callback(_real_numbers)
    return tuple(name for name in given if name.startswith(QOS_OVERRIDES))


def _descriptor(item: Any) -> ParameterDescriptor:
    """Description, unit and bounds of a field."""
    data = item.metadata
    unit = f" [{data['unit']}]" if data["unit"] else ""
    descriptor = ParameterDescriptor(description=data["text"] + unit)
    if "minimum" in data and isinstance(item.default, float):
        bounds = FloatingPointRange(from_value=float(data["minimum"]), to_value=float(data["maximum"]), step=0.0)
        descriptor.floating_point_range = [bounds]
    elif "minimum" in data:
        span = IntegerRange(from_value=int(data["minimum"]), to_value=int(data["maximum"]), step=1)
        descriptor.integer_range = [span]
    elif data.get("options"):
        descriptor.additional_constraints = f"one of {', '.join(data['options'])}"
    return descriptor


def _real_numbers(changes: list[Parameter]) -> list[Parameter]:
    """Convert whole numbers in a request: ``ros2 param set ... deadline_ms 100`` sends an integer."""
    real = with_real_numbers({parameter.name: parameter.value for parameter in changes})
    return [
        Parameter(parameter.name, value=real[parameter.name])
        if isinstance(real[parameter.name], float) and parameter.type_ == Parameter.Type.INTEGER
        else parameter
        for parameter in changes
    ]


def unused_qos_overrides(node: Node, names: Iterable[str]) -> list[str]:
    """Return the overrides of QoS that no publisher or subscription has taken: their topic or policy is wrong.

    Args:
        node: With all its publishers and subscriptions.
        names: As given by the user.
    """
    return [name for name in names if not node.has_parameter(name)]


def declare_text(node: Node, name: str, default: str, text: str) -> None:
    """Declare a text parameter of another node.

    Args:
        node: Declares it.
        name: Parameter name.
        default: Default value.
        text: Description.

    Raises:
        ConfigError: The override is invalid.
    """
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

    try:
        node.declare_parameter(name, default, ParameterDescriptor(description=text))
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise ConfigError(f"parameter {name}: {error}") from None


def _declare(node: Node, name: str, value: Any, descriptor: ParameterDescriptor) -> None:
    """Declare with a checked value."""
    node.declare_parameter(name, value, descriptor, ignore_override=True)


def config_of(node: Node) -> PlannerConfig:
    """Return the configuration that the node's parameters state.

    Args:
        node: A node with declared parameters.

    Raises:
        ConfigError: Values contradict each other.
    """
    return PlannerConfig.from_dict({item.name: node.get_parameter(item.name).value for item in fields(PlannerConfig)})


def changed_config(config: PlannerConfig, parameters: Iterable[Parameter]) -> tuple[PlannerConfig, SetParametersResult]:
    """Apply a set-parameters request to a configuration.

    Args:
        config: Before the request.
        parameters: Requested values; names of other parameters are ignored.

    Returns:
        The new configuration, or the old one when a value is invalid, and the answer to the request.
    """
    names = {item.name for item in fields(PlannerConfig)}
    changes = {parameter.name: parameter.value for parameter in parameters if parameter.name in names}
    try:
        changed = replace(config, **changes)
    except ConfigError as error:
        return config, SetParametersResult(successful=False, reason=str(error))
    after_reload = [name for name in RELOAD_FIELDS if name in changes]
    reason = f"{', '.join(after_reload)}: in use after ~/reload_model" if after_reload else ""
    return changed, SetParametersResult(successful=True, reason=reason)
